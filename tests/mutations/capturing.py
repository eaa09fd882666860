"""Slips in captured steps: the recorder, its programs, helpers, and the check."""

from . import slips

CAPTURE = "tests/test_capture.py"
SYSTEMS = CAPTURE + " -k 'system and (gan or vae)'"
ON_GPU = "tests/test_cuda_capture.py -k 'not system'"
CHANGES = (
    CAPTURE
    + " -k 'rates or evaluation or setting or loading or freezing or smaller or add_up or finds'"
)

SLIPS = [
    *slips(
        "capturing/recorded.py", CHANGES,
        ("averages count the check", "            ema.updates = updates", "            pass", CAPTURE + " -k averages_within"),
        ("frozen parameters go unseen", "if tensor.requires_grad is not requires_grad:", "if False:"),
        ("replaced memory goes unseen", "            if tensor.array is not array:", "            if False:"),
        ("settings go unseen", "if settings.now() != settings.then:", "if False:"),
        ("the batch is not copied in", "            held[...] = array\n", "            pass\n", SYSTEMS),
        ("gradients stay with the eager call", "        for tensor, grad in self.grads:\n            tensor.grad = grad\n        for tensor in self.changed", "        for tensor in self.changed"),
        ("results are the program's own memory", "iter([array.copy(order=\"K\") for array in self.leaves])", "iter(self.leaves)", CAPTURE + " -k copies"),
        ("writes are not told of", "            tensor.mark_written(\"a captured step\")", "            pass", CAPTURE + " -k graph_kept"),
        ("the check does not look at memory", "            if a != b:\n                return f\"a replay left other values", "            if False:\n                return f\"a replay left other values", CAPTURE + " -k lost"),
    ),
    *slips(
        "capturing/captured.py", CHANGES,
        ("trusted whatever the check says", "        if difference is None:", "        if True:", CAPTURE + " -k 'found_out or lost'"),
        ("one program for training and evaluation", "reason = self.step.out_of_date()", "reason = None"),
    ),
    *slips(
        "backend/cpu/recorder.py", SYSTEMS,
        ("random numbers are drawn once", "        return self.again(function, (), {}, function())", "        return self.like(function())"),
        ("what runs as a whole runs once", "        self.note(partial(outside_of_loops, function, *given))\n", ""),
        ("writes by index are forgotten", "        self.note(partial(function, *given, **options))\n        for x", "        for x"),
        ("a weight's transform outlives the weight", "            self._remembered.pop(address(root), None)", "            pass", CAPTURE + " -k 'pieces or dcgan'"),
        ("scratch memory outlives its operation", "        self._scratch.clear()  # whoever", "        pass  # whoever", CAPTURE + " -k on_the_side"),
        ("workers share their scratch memory", "self.thread = k * threads // len(starts)\n", "self.thread = 0\n", CAPTURE + " -k 'pieces or helpers_leave'"),
    ),
    *slips(
        "backend/cpu/program.py", CAPTURE + " -k 'arena or pieces or helper or interrupt'",
        ("what was given back is used at once", "        if self.held is not None:", "        if False:"),
        ("the largest gap is cut", "        gap = min((g", "        gap = max((g"),
        ("gaps are not joined", "            start, end = min(start, gap[1]), max(end, gap[2])", "            pass"),
        ("helpers read old weights", "            if arena.holds(x) or root_address(x) not in changing:", "            if True:"),
        ("helpers go on after an interrupt", "            team.dismiss()\n            raise", "            raise"),
        ("nobody waits for an earlier loop", "        self.until(loop)\n", "        pass\n"),
    ),
    *slips(
        "capturing/places.py", ON_GPU,
        ("gradients from before the call go unseen", "        self.looked_at = True\n        return", "        return"),
        ("an optimiser may keep what was never computed", "if optimizer.state.keys() != states.keys():", "if False:"),
        ("draws of a capture count", "                stream.restore(state)", "                pass"),
        ("arguments may be written to", "            return \"it writes into its arguments\"", "            return None"),
    ),
    *slips(
        "backend/cuda/recorder.py", ON_GPU,
        ("copies from the host are captured", "        if threading.get_ident() in _capturing:", "        if False:"),
        ("calls are lost", "        self.parts.append(partial(function, *arguments))\n", ""),
        ("graphs go on over calls", "        self._end()\n        self.parts.append(partial", "        self.parts.append(partial"),
        ("a broken capture is kept", "            self._note_error(error)\n            return", "            return"),
    ),
    *slips(
        "backend/cuda/blas.py", "tests/test_cuda_blas.py",
        ("operands change places", "(N if by_rows_y else T, N if by_rows_x else T)", "(N if by_rows_x else T, N if by_rows_y else T)"),
        ("gaps between columns go unseen", "if length > 1 and step != size:", "if False:"),
        ("every stack lies evenly", "        if outer != n * inner:", "        if False:"),
        ("indices that nobody needs stay", "if c not in kept)\n    return", "if False)\n    return"),
    ),
    *slips(
        "backend/cuda/cublas.py", "tests/test_cuda_blas.py",
        ("the workspace goes with the stream", "            _call(\"cublasSetWorkspace_v2\", self._handle, self._workspace.ptr, WORKSPACE)\n", ""),
        ("a status is not looked at", "    if status:", "    if False:"),
    ),
    *slips(
        "backend/cuda/staging.py", "tests/test_cuda_staging.py",
        ("places are used again at once", "if self.freed is None and holders(self.there) == 0:", "if self.freed is None:"),
        ("copies wait for the present", "        now = _event()\n        for slot in slots:\n            slot.notice(now)\n", "        now = _event()\n        for slot in slots:\n            slot.freed = now if holders(slot.there) == 0 else None\n"),
        ("every kind is kept", "        if len(self.kinds) > _KINDS:", "        if False:"),
    ),
    *slips(
        "backend/cpu/traced.py", CAPTURE + " -k 'leave_are_named or else_cannot'",
        ("values leave unseen", "    def method(self, *arguments, **keywords):\n        note_problem()\n", "    def method(self, *arguments, **keywords):\n"),
        ("arrays leave unseen", "        note_problem()\n        return self.view(np.ndarray).copy()", "        return self.view(np.ndarray).copy()"),
        ("masks are taken for indices", "if any(x.dtype == np.bool_ for x in arrays_in(key)):", "if False:"),
    ),
]  # fmt: skip
