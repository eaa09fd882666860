"""PyTorch's signatures of the functions behind layers, one line each; see `signatures`."""

ACTIVATIONS = """
alpha_dropout(input, p=0.5, training=False, inplace=False)
celu(input, alpha=1.0, inplace=False)
dropout(input, p=0.5, training=True, inplace=False)
dropout1d(input, p=0.5, training=True, inplace=False)
dropout2d(input, p=0.5, training=True, inplace=False)
glu(input, dim=-1)
gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1)
hardshrink(input, lambd=0.5)
hardsigmoid(input, inplace=False)
hardswish(input, inplace=False)
hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False)
logsigmoid(input)
mish(input, inplace=False)
prelu(input, weight)
relu6(input, inplace=False)
selu(input, inplace=False)
softmin(input, dim=None, _stacklevel=3, dtype=None)
softshrink(input, lambd=0.5)
softsign(input)
tanhshrink(input)
threshold(input, threshold, value, inplace=False)
"""

_CONV = "input, weight, bias=None, stride=1, padding=0"
_WINDOW = "input, kernel_size, stride=None, padding=0"
_SIZE = "size=None, scale_factor=None, mode='nearest', align_corners=None"
_SAMPLED = "mode='bilinear', padding_mode='zeros'"

IMAGES = f"""
adaptive_avg_pool1d(input, output_size)
adaptive_avg_pool2d(input, output_size)
adaptive_max_pool1d(input, output_size, return_indices=False)
adaptive_max_pool2d(input, output_size, return_indices=False)
affine_grid(theta, size, align_corners=None)
avg_pool1d({_WINDOW}, ceil_mode=False, count_include_pad=True)
avg_pool2d({_WINDOW}, ceil_mode=False, count_include_pad=True, divisor_override=None)
conv1d({_CONV}, dilation=1, groups=1)
conv2d({_CONV}, dilation=1, groups=1)
conv_transpose1d({_CONV}, output_padding=0, groups=1, dilation=1)
conv_transpose2d({_CONV}, output_padding=0, groups=1, dilation=1)
fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1)
grid_sample(input, grid, {_SAMPLED}, align_corners=None)
interpolate(input, {_SIZE}, recompute_scale_factor=None, antialias=False)
max_pool1d({_WINDOW}, dilation=1, ceil_mode=False, return_indices=False)
max_pool2d({_WINDOW}, dilation=1, ceil_mode=False, return_indices=False)
unfold(input, kernel_size, dilation=1, padding=0, stride=1)
"""

_SCALE = "weight=None, bias=None"
_RUNNING = "training=False, momentum=0.1, eps=1e-05, *, slope=None"
_INSTANCE = "use_input_stats=True, momentum=0.1, eps=1e-05, *, slope=None"
_MASKED = "attn_mask=None, dropout_p=0.0, is_causal=False"

NORMS = f"""
bilinear(input1, input2, weight, bias=None)
batch_norm(input, running_mean, running_var, {_SCALE}, {_RUNNING})
cosine_similarity(x1, x2, dim=1, eps=1e-8)
group_norm(input, num_groups, {_SCALE}, eps=1e-05)
instance_norm(input, running_mean=None, running_var=None, {_SCALE}, {_INSTANCE})
layer_norm(input, normalized_shape, {_SCALE}, eps=1e-05)
normalize(input, p=2.0, dim=1, eps=1e-12, out=None)
pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False)
rms_norm(input, normalized_shape, weight=None, eps=None)
scaled_dot_product_attention(query, key, value, {_MASKED}, *, scale=None, enable_gqa=False)
"""

_REDUCED = "size_average=None, reduce=None, reduction='mean'"
_CLASSES = "weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean'"
_POISSON = "size_average=None, eps=1e-08, reduce=None, reduction='mean'"
_TRIPLET = "anchor, positive, negative"

LOSSES = f"""
binary_cross_entropy(input, target, weight=None, {_REDUCED})
binary_cross_entropy_with_logits(input, target, weight=None, {_REDUCED}, pos_weight=None)
cosine_embedding_loss(input1, input2, target, margin=0, {_REDUCED})
cross_entropy(input, target, {_CLASSES}, label_smoothing=0.0)
gaussian_nll_loss(input, target, var, full=False, eps=1e-06, reduction='mean')
hinge_embedding_loss(input, target, margin=1.0, {_REDUCED})
huber_loss(input, target, reduction='mean', delta=1.0, weight=None)
kl_div(input, target, {_REDUCED}, log_target=False)
l1_loss(input, target, {_REDUCED}, weight=None)
margin_ranking_loss(input1, input2, target, margin=0, {_REDUCED})
mse_loss(input, target, {_REDUCED}, weight=None)
multi_margin_loss(input, target, p=1, margin=1.0, weight=None, {_REDUCED})
multilabel_soft_margin_loss(input, target, weight=None, {_REDUCED})
nll_loss(input, target, {_CLASSES})
poisson_nll_loss(input, target, log_input=True, full=False, {_POISSON})
smooth_l1_loss(input, target, {_REDUCED}, beta=1.0)
soft_margin_loss(input, target, {_REDUCED})
triplet_margin_loss({_TRIPLET}, margin=1.0, p=2, eps=1e-06, swap=False, {_REDUCED})
"""

LAYER_SIGNATURES = [
    line for table in (ACTIVATIONS, IMAGES, NORMS, LOSSES) for line in table.strip().splitlines()
]
