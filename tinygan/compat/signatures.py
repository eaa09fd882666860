"""PyTorch's signatures of the functions that the core has, one line each.

The core's functions have PyTorch's order of arguments. What a line adds are names (`input` for x,
`other` for y) and those of PyTorch's keywords that a core has no need of; `tinygan.compat.dialect`
says how each is served.
"""

_NEW = "dtype=None, layout=None, device=None, requires_grad=False"
_LIKE = f"{_NEW}, memory_format=None"
_REDUCED = "dim=None, keepdim=False, *, out=None"

ELEMENTWISE = """
abs(input, *, out=None)
add(input, other, *, alpha=1, out=None)
ceil(input, *, out=None)
clamp(input, min=None, max=None, *, out=None)
cos(input, *, out=None)
div(input, other, *, rounding_mode=None, out=None)
elu(input, alpha=1.0, inplace=False)
eq(input, other, *, out=None)
erf(input, *, out=None)
exp(input, *, out=None)
expm1(input, *, out=None)
floor(input, *, out=None)
floor_divide(input, other, *, out=None)
ge(input, other, *, out=None)
gelu(input, approximate="none")
gt(input, other, *, out=None)
isfinite(input)
isnan(input)
le(input, other, *, out=None)
leaky_relu(input, negative_slope=0.01, inplace=False)
log(input, *, out=None)
log1p(input, *, out=None)
logical_and(input, other, *, out=None)
logical_not(input, *, out=None)
logical_or(input, other, *, out=None)
lt(input, other, *, out=None)
maximum(input, other, *, out=None)
minimum(input, other, *, out=None)
mul(input, other, *, out=None)
ne(input, other, *, out=None)
neg(input, *, out=None)
pow(input, exponent, *, out=None)
reciprocal(input, *, out=None)
relu(input, inplace=False)
remainder(input, other, *, out=None)
round(input, *, decimals=0, out=None)
rsqrt(input, *, out=None)
sigmoid(input, *, out=None)
sign(input, *, out=None)
silu(input, inplace=False)
sin(input, *, out=None)
softplus(input, beta=1.0, threshold=20.0)
sqrt(input, *, out=None)
square(input, *, out=None)
sub(input, other, *, alpha=1, out=None)
tanh(input, *, out=None)
where(condition, input, other, *, out=None)
"""

REDUCTIONS = f"""
all(input, {_REDUCED})
amax(input, {_REDUCED})
amin(input, {_REDUCED})
any(input, {_REDUCED})
argmax(input, dim=None, keepdim=False)
argmin(input, dim=None, keepdim=False)
argsort(input, dim=-1, descending=False, stable=False)
cumsum(input, dim, *, dtype=None, out=None)
log_softmax(input, dim=None, _stacklevel=3, dtype=None)
logsumexp(input, dim=None, keepdim=False, *, out=None)
max(input, dim=None, keepdim=False, *, other=None, out=None)
mean(input, dim=None, keepdim=False, *, dtype=None, out=None)
min(input, dim=None, keepdim=False, *, other=None, out=None)
norm(input, p=2, dim=None, keepdim=False, out=None, dtype=None)
prod(input, dim=None, keepdim=False, *, dtype=None, out=None)
softmax(input, dim=None, _stacklevel=3, dtype=None)
sort(input, dim=-1, descending=False, stable=False, *, out=None)
std(input, dim=None, unbiased=None, keepdim=False, *, correction=1, out=None)
sum(input, dim=None, keepdim=False, *, dtype=None, out=None)
topk(input, k, dim=-1, largest=True, sorted=True, *, out=None)
var(input, dim=None, unbiased=None, keepdim=False, *, correction=1, out=None)
"""

SHAPES = """
broadcast_to(input, size)
cat(tensors, dim=0, *, out=None)
chunk(input, chunks, dim=0)
expand(input, *size, implicit=False)
flatten(input, start_dim=0, end_dim=-1)
flip(input, *dims)
narrow(input, dim, start, length)
pad(input, pad, mode="constant", value=None)
permute(input, *dims)
pixel_shuffle(input, upscale_factor)
pixel_unshuffle(input, downscale_factor)
repeat(input, *repeats)
reshape(input, *shape)
roll(input, shifts, dims=None)
split(tensor, split_size_or_sections, dim=0)
squeeze(input, dim=None)
stack(tensors, dim=0, *, out=None)
transpose(input, dim0, dim1)
unflatten(input, dim, sizes)
unsqueeze(input, dim)
"""

_ROWS = "max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False"

PICKING = f"""
embedding(input, weight, padding_idx=None, {_ROWS})
gather(input, dim, index, *, sparse_grad=False, out=None)
index_select(input, dim, index, *, out=None)
one_hot(input, num_classes=-1)
scatter_add(input, dim, index, src, *, out=None)
take(input, index, *, out=None)
"""

PRODUCTS = """
linear(input, weight, bias=None)
matmul(input, other, *, out=None)
"""

CREATION = f"""
arange(start=0, end=None, step=1, *, out=None, {_NEW})
empty(*size, out=None, {_NEW}, pin_memory=False, memory_format=None)
eye(n, m=None, *, out=None, {_NEW})
full(size, fill_value, *, out=None, {_NEW})
full_like(input, fill_value, *, {_LIKE})
linspace(start, end, steps, *, out=None, {_NEW})
ones(*size, out=None, {_NEW})
ones_like(input, *, {_LIKE})
rand(*size, generator=None, out=None, {_NEW}, pin_memory=False)
rand_like(input, *, generator=None, {_LIKE})
randint(low=0, high=None, size=None, *, generator=None, out=None, {_NEW})
randn(*size, generator=None, out=None, {_NEW}, pin_memory=False)
randn_like(input, *, generator=None, {_LIKE})
randperm(n, *, generator=None, out=None, {_NEW}, pin_memory=False)
tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False)
zeros(*size, out=None, {_NEW})
zeros_like(input, *, {_LIKE})
"""

COPIES = """
clone(input, *, memory_format=None)
contiguous(input, memory_format=None)
"""

SIGNATURES = [
    line
    for table in (ELEMENTWISE, REDUCTIONS, SHAPES, PICKING, PRODUCTS, CREATION, COPIES)
    for line in table.strip().splitlines()
]
