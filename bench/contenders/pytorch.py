"""PyTorch, eager, channels_last; on CUDA where there is a device, else on all cores.

Reads requests from stdin and answers on stdout, a line each, as contender.ts describes. Network, images
and random numbers are those of wrn.ts.

    python3 bench/contenders/pytorch.py [--tf32]
"""

import json
import math
import os
import sys
import time

import torch
import torch.nn.functional as F

SIZE, CHANNELS, PAD = 32, 3, 4
RATE, MOMENTUM, DECAY, EPSILON = 0.05, 0.9, 5e-4, 1e-5
SEEDS = {"x": 1, "weight": 2, "dy": 3, "pattern": 1000, "noise": 2000, "crops": 3000}

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
TF32 = "--tf32" in sys.argv
torch.backends.cuda.matmul.allow_tf32 = TF32
torch.backends.cudnn.allow_tf32 = TF32
torch.backends.cudnn.benchmark = True
torch.set_num_threads(os.cpu_count())

WORD = 0xFFFFFFFF


def hashes(seed, count):
    """The function of that name in wrn.ts, for 0, 1, ...; products wrap, of which the low 32 bits count."""
    h = (torch.arange(1, count + 1) * 0x9E3779B1 + seed * 0x85EBCA6B) & WORD
    h = ((h ^ (h >> 16)) * 0x21F0AAAD) & WORD
    h = ((h ^ (h >> 15)) * 0x735A2D97) & WORD
    return h ^ (h >> 15)


def uniform(seed, *shape):
    return ((hashes(seed, math.prod(shape)) >> 8).double() / 2**23 - 1).float().reshape(shape)


def to_nchw(x):
    """Channels last in memory, as it comes."""
    return x.permute(0, 3, 1, 2).to(DEVICE, memory_format=torch.channels_last)


def to_oihw(weight):
    return weight.permute(3, 2, 0, 1).to(DEVICE, memory_format=torch.channels_last)


def made_images(count, classes):
    """Bytes [n, h, w, c] and labels."""
    labels = torch.arange(count) % classes
    shape = (SIZE, SIZE, CHANNELS)
    patterns = torch.stack([uniform(SEEDS["pattern"] + k, *shape) for k in range(classes)]).double()
    noise = torch.stack([uniform(SEEDS["noise"] + i, *shape) for i in range(count)]).double()
    return (128 + 60 * patterns[labels] + 60 * noise).to(torch.uint8), labels


def crops(step, count):
    h = hashes(SEEDS["crops"] + step, count)
    offset = lambda bits: (bits & 0xFFFF) % (2 * PAD + 1) - PAD
    return offset(h), offset(h >> 8), (h >> 31) == 1


def augment(images, dx, dy, mirror):
    """Crops, mirrors and scales: bytes [n, h, w, c] on the device to floats [n, c, h, w]."""
    n = images.shape[0]
    at = torch.arange(SIZE, device=DEVICE)
    # One copy that waits for nothing, as ours: three that do would drain the GPU three times a step.
    moves = torch.stack([dx, dy, mirror.to(dx.dtype)])
    moves = moves.pin_memory().to(DEVICE, non_blocking=True) if CUDA else moves
    dx, dy, mirror = moves[0][:, None], moves[1][:, None], moves[2][:, None] != 0
    columns = torch.where(mirror, SIZE - 1 - at, at) + dx + PAD
    rows = at + dy + PAD
    padded = F.pad(images, (0, 0, PAD, PAD, PAD, PAD))
    picked = padded[torch.arange(n, device=DEVICE)[:, None, None], rows[:, :, None], columns[:, None]]
    return (picked.float() / 255).permute(0, 3, 1, 2)  # channels last in memory


class Conv(torch.nn.Module):
    def __init__(self, parameters, ci, co, kernel, stride=1):
        super().__init__()
        self.stride, self.padding = stride, (kernel - 1) // 2
        self.weight = parameters.conv(kernel, ci, co)

    def forward(self, x):
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.padding)


def norm(parameters, c):
    parameters.skip()  # 1 and 0, as PyTorch has them
    return torch.nn.BatchNorm2d(c, eps=EPSILON, momentum=0.1).to(DEVICE)


class Block(torch.nn.Module):
    """BN-ReLU (unless the stem has done it), conv, BN-ReLU, conv; shortcut without parameters."""

    def __init__(self, parameters, ci, co, stride, in_is_stem):
        super().__init__()
        self.bn1 = None if in_is_stem else norm(parameters, ci)
        self.conv1 = Conv(parameters, ci, co, 3, stride)
        self.bn2 = norm(parameters, co)
        self.conv2 = Conv(parameters, co, co, 3)
        self.stride, self.zeros = stride, co - ci

    def forward(self, x):
        skip = F.avg_pool2d(x, self.stride) if self.stride > 1 else x
        if self.zeros:
            skip = F.pad(skip, (0, 0, 0, 0, 0, self.zeros))
        activated = F.relu(self.bn1(x)) if self.bn1 else x
        return self.conv2(F.relu(self.bn2(self.conv1(activated)))) + skip


class Parameters:
    """Gives the index-th parameter its initial values: Xavier's rule, 1 and 0."""

    def __init__(self):
        self.index = 0

    def skip(self):
        self.index += 1

    def weights(self, fan, *shape):
        self.index += 1
        return uniform(self.index, *shape) * math.sqrt(6 / fan)

    def conv(self, kernel, ci, co):
        weight = self.weights(kernel**2 * (ci + co), kernel, kernel, ci, co)
        return torch.nn.Parameter(to_oihw(weight))


class Wrn(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        parameters = Parameters()
        c = net["stem"]["channels"]
        self.stem = Conv(parameters, CHANNELS, c, net["stem"]["kernel"])
        self.stem_bn = norm(parameters, c)
        blocks = []
        for stage, width in enumerate(net["widths"]):
            for block in range(net["blocks"]):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Block(parameters, c, width, stride, not blocks))
                c = width
        self.blocks = torch.nn.Sequential(*blocks)
        self.bn = norm(parameters, c)
        self.weight = torch.nn.Parameter(parameters.weights(c + net["classes"], c, net["classes"]).to(DEVICE))
        self.bias = torch.nn.Parameter(torch.zeros(net["classes"], device=DEVICE))

    def forward(self, x):
        x = self.blocks(F.relu(self.stem_bn(self.stem(x))))
        return F.relu(self.bn(x)).mean((2, 3)) @ self.weight + self.bias


class Function:
    """A job that makes a tensor with no memory of the last."""

    def __init__(self, function):
        self.function = function

    def run(self):
        self.result = self.function()

    def check(self):
        return self.function().double().square().mean().sqrt().item()


class Train:
    def __init__(self, net, batch):
        self.model = Wrn(net)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True
        )
        images, labels = made_images(batch, net["classes"])
        self.images, self.labels = images.to(DEVICE), labels.to(DEVICE)
        self.step = 0

    def run(self):
        x = augment(self.images, *crops(self.step, len(self.labels)))
        self.step += 1
        self.value = F.cross_entropy(self.model(x), self.labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.value.backward()
        self.optimizer.step()

    def loss(self):
        self.run()
        return self.value.item()


def conv_job(work):
    batch, size, ci, co = work["batch"], work["size"], work["ci"], work["co"]
    kernel, stride = work["kernel"], work["stride"]
    x = to_nchw(uniform(SEEDS["x"], batch, size, size, ci))
    weight = to_oihw(uniform(SEEDS["weight"], kernel, kernel, ci, co))
    dy = to_nchw(uniform(SEEDS["dy"], batch, size // stride, size // stride, co))
    padding = (kernel - 1) // 2
    if work["pass"] == "forward":
        return Function(lambda: F.conv2d(x, weight, stride=stride, padding=padding))
    index = ["dx", "dw"].index(work["pass"])
    mask = [index == 0, index == 1, False]
    arguments = (None, (stride,) * 2, (padding,) * 2, (1, 1), False, (0, 0), 1, mask)
    return Function(lambda: torch.ops.aten.convolution_backward(dy, x, weight, *arguments)[index])


def batch_norm_job(work):
    c = work["channels"]
    shape = (work["batch"], work["size"], work["size"], c)
    both = work["pass"] == "both"
    x = to_nchw(uniform(SEEDS["x"], *shape)).requires_grad_(both)
    dy = to_nchw(uniform(SEEDS["dy"], *shape))
    bn = norm(Parameters(), c)

    def run():
        if not both:
            with torch.no_grad():
                return F.relu(bn(x))
        return torch.autograd.grad(F.relu(bn(x)), [x, bn.weight, bn.bias], dy)[0]

    return Function(run)


def infer_job(work):
    model = Wrn(work["net"]).eval()
    images, _ = made_images(work["batch"], work["net"]["classes"])
    if CUDA:
        images = images.pin_memory()

    def run():
        with torch.no_grad():
            x = images.to(DEVICE, non_blocking=True).float() / 255
            return model(x.permute(0, 3, 1, 2))

    return Function(run)


def prepare(work):
    op = work["op"]
    if op == "matmul":
        shape = (work["size"],) * 2
        a, b = (uniform(SEEDS[name], *shape).to(DEVICE) for name in ("x", "weight"))
        return Function(lambda: a @ b)
    if op == "conv":
        return conv_job(work)
    if op == "batchNorm":
        return batch_norm_job(work)
    if op == "train":
        if work.get("activations") == "f16":
            return None
        return Train(work["net"], work["batch"])
    if op == "infer":
        return infer_job(work)
    return None


def settle():
    if CUDA:
        torch.cuda.synchronize()


def about():
    name = torch.cuda.get_device_name() if CUDA else f"processor, {torch.get_num_threads()} threads"
    return {
        "contender": "torch TF32" if TF32 else "torch",
        "version": torch.__version__,
        "adapter": name,
        "software": not CUDA,
    }


jobs = {}


def answer(request):
    method = request["method"]
    if method == "about":
        return about()
    if method == "prepare":
        job = prepare(request["work"])
        if job:
            jobs[request["job"]] = job
        return job is not None
    if method == "release":
        del jobs[request["job"]]
        return None
    job = jobs[request["job"]]
    if method == "run":
        start = time.perf_counter()
        for _ in range(request["times"]):
            job.run()
        settle()
        return 1000 * (time.perf_counter() - start)
    value = getattr(job, method)() if hasattr(job, method) else None
    if value is not None and not math.isfinite(value):
        raise ValueError(f"its {method} is {value}")
    return value


if __name__ == "__main__":
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no reply
    for line in sys.stdin:
        try:
            reply = {"value": answer(json.loads(line))}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)
