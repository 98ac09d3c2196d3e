"""Small nets, each with one thing that a writer of PyTorch source may get wrong."""

from __future__ import annotations

BLOCKS = """
block conv_bn(c, k, stride=1) { conv(c, k, stride=stride, pad=k//2, bias=false) -> bn }
"""

PROGRAMS: dict[str, str] = {
    "a chain": """
net A(classes=10) {
  input image: [N, 1, 12, 12]
  conv(4, 3) -> tanh -> avgpool(2) -> flatten -> dense(classes) -> softmax
}""",
    "a residual block with a projection where it is needed": BLOCKS
    + """
block bottleneck(width, stride=1) {
  add {
    | conv_bn(width, 1) -> relu -> conv_bn(width, 3, stride) -> relu -> conv_bn(4*width, 1)
    | if stride != 1 or in.channels != 4*width { conv_bn(4*width, 1, stride) }
  }
  relu
}
net A(depths=[2, 3], classes=7) {
  input image: [N, 3, 16, 16]
  conv_bn(8, 3, stride=2) -> relu -> maxpool(3, stride=2, pad=1)
  for width, n, s in zip([4, 8], depths, [1, 2]) {
    bottleneck(width, stride=s)
    bottleneck(width) * (n - 1)
  }
  global_avgpool -> dense(classes)
}""",
    "a projection without a container": """
block residual(c, stride=1) {
  add {
    | conv(c, 3, stride=stride, pad=1) -> bn -> relu -> conv(c, 3, pad=1) -> bn
    | if stride != 1 or in.channels != c { conv(c, 1, stride=stride) as shortcut -> bn as shortcut_bn }
  } -> relu
}
net A { input x: [N, 4, 8, 8]
  residual(4) -> residual(6, stride=2) -> residual(6) }""",
    "squeeze and excitation": """
block se(ratio=4) { mul { | in | global_avgpool -> dense(in.channels // ratio) -> relu -> dense(in.channels) -> sigmoid } }
net A { input x: [N, 8, 6, 6]
  conv(8, 3, pad=1) -> se() -> conv(16, 3, pad=1) -> se(ratio=8) -> relu }""",
    "features first in a product with maps": """
net A { input x: [N, 4, 6, 6]
  mul { | global_maxpool -> dense(4) -> sigmoid | conv(4, 3, pad=1) | in }
  add { | in | global_avgpool } }""",
    "tensor parameters": """
block up(c, skip: tensor) { concat { | skip | deconv(c, 2, stride=2) } -> conv(c, 3, pad="same") -> relu }
net A(width=4) {
  input image: [N, 3, 4*H, 4*W]
  conv(width, 3, pad=1) -> relu as top
  maxpool(2) -> conv(2*width, 3, pad=1) -> relu as middle
  maxpool(2) -> conv(4*width, 3, pad=1) -> relu
  up(2*width, middle) -> up(width, skip=top) -> conv(2, 1) as mask
}""",
    "a block with two tensors, nested": """
block both(a: tensor, b: tensor, c=3) { concat { | a | b | in } -> conv(c, 1) }
block outer(c, skip: tensor) {
  conv(c, 3, pad=1) as inner -> relu
  both(skip, inner, c=2*c)
  add { | in -> conv(2*c, 1) | both(inner, skip, 2*c) }
}
net A { input x: [N, 3, 6, 6]
  conv(5, 1) as s -> outer(4, s) -> outer(6, skip=s) }""",
    "a loop in a block, of different lengths": """
block stack(c, n) { for i in range(n) { conv(c, 3, pad=1) -> relu } }
net A { input x: [N, 3, 6, 6]
  stack(4, 1) -> stack(4, 3) -> stack(8, 2) }""",
    "a loop over a list": """
block tower(widths) { for w in widths { conv(w, 3, pad=1) -> bn -> relu }
  conv(2, 1) as last }
net A { input x: [N, 3, 6, 6]
  tower([4, 6]) -> tower([5, 7, 3]) }""",
    "a loop with a growing concat": """
block dense_block(n, growth) {
  for i in range(n) { concat { | in | conv(growth, 3, pad=1) } }
}
net A { input x: [N, 3, 6, 6]
  dense_block(2, 4) -> dense_block(3, 2) }""",
    "a loop whose layers are labelled by its index": """
block stage(width, n, stride=1) {
  for j in range(n) { conv(width, 3, stride=stride if j == 0 else 1, pad=1) as "{j}" -> relu }
}
net A { input x: [N, 3, 16, 16]
  for i, n in enumerate([2, 3]) { stage(4 * 2**i, n, 2) as "layer{i+1}" } }""",
    "labels that a loop computes in several containers": """
net A { input x: [N, 3, 8, 8]
  for i in range(3) {
    for j in range(i + 1) { conv(4, 3, pad=1) as "stage{i}.conv{j}" -> bn as "stage{i}.bn{j}" -> relu }
  } }""",
    "an if in a chain": """
block step(c, act=true, norm=false) {
  conv(c, 3, pad=1) as conv_
  if norm { bn as norm_ }
  if act { relu } else { tanh }
}
net A { input x: [N, 3, 6, 6]
  step(4) -> step(5, act=false) -> step(6, norm=true) -> step(4, false, true) }""",
    "an if with else in a branch": """
block mix(c, kind) {
  concat {
    | conv(c, 1)
    | if kind == 0 { conv(c, 3, pad=1) as wide } else if kind == 1 { maxpool(3, stride=1, pad=1) } else { conv(2*c, 1) as narrow -> relu }
  }
}
net A { input x: [N, 4, 6, 6]
  mix(4, 0) -> mix(4, 1) -> mix(4, 2) -> mix(3, 0) }""",
    "an if that is never taken": """
block step(c, dropout_rate=0.0) { conv(c, 3, pad=1)
  if dropout_rate > 0 { dropout(dropout_rate) }
  relu }
net A { input x: [N, 3, 6, 6]
  step(4) -> step(5) }""",
    "an if with different layers on its sides": """
block head(c, wide) {
  if wide { conv(2*c, 3, pad=1) as a -> relu -> conv(c, 1) as b } else { conv(c, 1) as a }
  add { | in -> conv(c, 1) as p | relu }
}
net A { input x: [N, 3, 6, 6]
  head(4, true) -> head(5, false) -> head(4, true) }""",
    "names made in both sides of an if": """
block pick(c, deep) {
  if deep { conv(c, 3, pad=1) as a -> relu as chosen -> conv(c, 1) as b }
  else { conv(c, 1) as a -> tanh as chosen }
  concat { | chosen | in } -> conv(c, 1) as out
}
net A { input x: [N, 3, 6, 6]
  pick(4, true) -> pick(5, false) }""",
    "branches within branches": """
block nested(c) {
  concat {
    | conv(c, 1) -> relu
    | conv(c, 1) -> add { | conv(c, 3, pad=1) | in | max { | relu | tanh | sigmoid } }
    | mean { | conv(c, 1) | conv(c, 3, pad=1) | conv(c, 5, pad=2) }
  }
}
net A { input x: [N, 3, 6, 6]
  nested(2) -> nested(3) -> relu }""",
    "every merge of two": """
net A { input x: [N, 3, 6, 6]
  conv(4, 1) as a
  max { | a | a -> conv(4, 1) } as b
  mean { | a | b }
  mul { | b | in }
  concat { | in | a } }""",
    "repeats of operators, blocks and braces": BLOCKS
    + """
net A { input x: [N, 3, 8, 8]
  conv(4, 3, pad=1) * 3
  conv_bn(4, 3) * 2 -> relu
  { conv(6, 3, pad=1) -> relu } * 2
  conv_bn(5, 1) * 1
  conv(7, 1) * 0
  { conv_bn(6, 3) -> relu -> conv_bn(6, 1) } * 3 }""",
    "braces that branch, repeated": """
net A(c=4) { input x: [N, 4, 8, 8]
  { add { | conv(c, 3, pad=1) -> bn -> relu | in } -> relu } * 3
  { concat { | conv(2, 1) | relu } } * 2 as grow }""",
    "braces that branch in a block, reading its parameters": """
block stage(c, n, k=3) {
  conv(c, 1) as first
  { add { | conv(c, k, pad=k//2) -> relu -> conv(c, 1) | first | tanh } } * n
}
net A { input x: [N, 3, 6, 6]
  stage(4, 2) -> stage(5, 3, k=5) }""",
    "a repeat of a parameter's length": BLOCKS
    + """
block stage(width, n, stride=1) { conv_bn(width, 3, stride) -> relu
  { conv_bn(width, 3) -> relu } * (n - 1) }
block grow(g) { concat { | in | conv(g, 3, pad=1) -> relu } }
block dense_block(n, g) { grow(g) * n }
net A { input x: [N, 3, 16, 16]
  stage(4, 2) -> stage(8, 3, stride=2) -> dense_block(2, 3) -> dense_block(4, 2) }""",
    "a repeat whose first turn changes the channels": BLOCKS
    + """
block stage(width, n) { conv_bn(width, 3) * n }
net A { input x: [N, 3, 6, 6]
  stage(4, 2) -> stage(8, 3) -> stage(8, 1) }""",
    "groups": """
net A { input x: [N, 3, 8, 8]
  group stem { conv(4, 3, pad=1) -> bn -> relu as early }
  group body {
    add { | conv(4, 3, pad=1) | in }
    group deep { conv(5, 1) -> relu }
  }
  concat { | early | in }
  group "stage{1+1}" { conv(3, 1) as "0" -> bn as "1" -> relu } }""",
    "a group in a block": """
block b(c) {
  group left { conv(c, 3, pad=1) -> relu }
  group right { concat { | conv(c, 1) | in -> tanh } }
}
net A { input x: [N, 3, 8, 8]
  b(2) -> b(3) }""",
    "dotted labels": """
net A { input x: [N, 3, 8, 8]
  conv(4, 3) as "features.0" -> relu -> maxpool(2) -> conv(5, 3) as "features.3" -> relu
  flatten -> dropout(0.5) -> dense(6) as "head.1" -> relu -> dense(3) as "head.final" }""",
    "containers that are not one chain": """
net A { input x: [N, 3, 8, 8]
  conv(4, 3, pad=1) as "a.0" -> conv(4, 3, pad=1) as "b.x" -> relu -> conv(4, 1) as "a.1"
  add { | conv(4, 1) as "c.2" | conv(4, 1) as "c.5" | conv(4, 1) as "b.y.z" } -> conv(4, 1) as "5" }""",
    "a shared block and a shared layer": """
block encoder(c) { conv(c, 3, stride=2, pad=1) -> relu -> conv(c, 3, pad=1) }
net A {
  input left: [N, 3, 8, 8]
  input right: [N, 3, 8, 8]
  shared enc = encoder(4)
  shared mix = conv(4, 1)
  left -> enc -> mix as l
  right -> enc -> mix -> relu as r
  concat { | l | r } -> conv(2, 1) }""",
    "a shared layer twice in a chain": """
net A { input x: [N, 4, 8, 8]
  shared c = conv(4, 3, pad=1)
  shared n = bn()
  c -> n -> relu -> c -> n -> relu -> c }""",
    "a shared value in a loop and in braces": """
net A { input x: [N, 4, 8, 8]
  shared c = conv(4, 3, pad=1)
  for i in range(2) { c -> relu }
  { c -> bn } * 2 }""",
    "a shared value in a block": """
block twice(k) { shared s = conv(in.channels, k, pad=k//2)
  s -> relu -> s }
net A { input x: [N, 4, 8, 8]
  twice(3) -> conv(5, 1) -> twice(1) }""",
    "a shared block on maps of two sizes": """
block tower(c) { conv(c, 3, pad=1) -> relu -> conv(c, 3, pad=1) -> global_avgpool }
net A { input x: [N, 4, 8, 8]
  shared t = tower(5)
  t as a
  in -> maxpool(2) -> t as b
  concat { | a | b } }""",
    "several outputs": """
net A { input x: [N, 3, 8, 8]
  conv(4, 3, pad=1) -> relu as trunk
  output heat = trunk -> conv(2, 1) -> sigmoid, score = trunk -> global_avgpool -> dense(3), trunk
}""",
    "auxiliary heads": """
block head(c) { global_avgpool -> dense(c) }
net A(classes=5) { input x: [N, 3, 8, 8]
  conv(4, 3, pad=1) -> relu as early -> conv(6, 3, pad=1) -> relu as late -> global_avgpool -> dense(classes)
  aux aux1(weight=0.3) = early -> head(classes)
  aux aux2 = late -> add { | conv(6, 1) | relu } -> flatten -> dense(classes) }""",
    "an auxiliary head in a net that is applied": """
net Inner { input x: [N, 3, 8, 8]
  conv(4, 3, pad=1) -> relu as early -> conv(6, 3, pad=1) -> relu
  aux helper = early -> global_avgpool -> dense(2) }
net A { input x: [N, 3, 8, 8]
  Inner as body -> global_avgpool -> dense(4) }""",
    "nets applied as blocks, and variants": """
net Part(c, k=3) { input x: [N, 3, H, W]
  conv(c, k, pad=k//2) -> relu }
net Five = Part(4, k=5)
net A { input image: [N, 3, 8, 8]
  concat { | Five | Part(2) | Part(c=4, k=1) } }""",
    "nets without weights": """
net A { input x: [N, 4, 8, 8]
  maxpool(2) -> relu -> channel_shuffle(2) -> global_avgpool -> softmax }""",
    "functions alone": """
net A { input x: [N, 4, 8, 8]
  channels(1, 3) -> pad_channels(1, 2) -> pad(1, mode="reflect") -> crop(2) -> upsample(2) -> upsample(2x3, mode="bilinear")
  concat { | channels(0, 2) | pad((0, 1, 2, 0), value=0.5) -> crop((0, 1, 2, 0)) | pad(2, mode="edge") -> crop(2x2) }
  flatten }""",
    "blocks of functions alone": """
block act(kind) { if kind == 0 { relu } else { leaky_relu(0.2) } }
block shrink(k, s=2) { maxpool(k, stride=s, pad=k//2) -> lrn(3) }
block cut(n) { channels(0, in.channels - n) }
net A { input x: [N, 6, 12, 12]
  act(0) -> shrink(3) -> cut(1) -> act(1) -> shrink(5, s=1) -> cut(2) }""",
    "a fixed kernel and normalisation": """
block blur(k) { pad(len(k) // 2, mode="edge") -> depthwise(len(k), weight=k) }
net A { input x: [N, 3, 8, 8]
  normalize(mean=[0.4, 0.5, 0.6], std=0.25)
  blur([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) -> conv(2, 1x3, weight=[[1, 0, -1]], bias=true) as edges
  conv(2, 3, weight=[[[[0, 1, 0], [1, 1, 1], [0, 1, 0]], [[1, 0, 1], [0, 0, 0], [1, 0, 1]]], [[[0, 0, 0], [0, 2, 0], [0, 0, 0]], [[1, 1, 1], [1, 1, 1], [1, 1, 1]]]])
  blur([[0.5]]) -> flatten -> dense(3) -> normalize(0.1, 2) }""",
    "uneven padding": """
net A { input x: [N, 3, 9, 10]
  conv(4, 3, stride=2, pad="same_upper") -> conv(4, 2x4, pad=(0, 1, 2, 1)) -> conv(4, 3, pad=1, fill=0.5)
  maxpool(2, stride=2, pad="same_upper") -> depthwise(2, pad=(1, 0, 0, 1), multiplier=2)
  deconv(3, 3, stride=2, pad=(1, 0, 0, 1), output_pad=1) -> deconv(3, 4, stride=2, pad="same_upper") -> deconv(2, 3, pad="same") }""",
    "uneven padding of pools": """
net A { input x: [N, 3, 11, 13]
  concat {
    | avgpool(3, stride=2, pad=(1, 0, 0, 1))
    | avgpool(3, stride=2, pad=(1, 0, 0, 1), count_pad=false)
    | maxpool(3, stride=2, pad=(0, 1, 1, 0))
  } }""",
    "rounding up": """
net A { input x: [N, 2, 10, 12]
  concat {
    | maxpool(3, stride=2, ceil=true)
    | avgpool(3, stride=2, ceil=true)
    | avgpool(3, stride=2, ceil=true, count_pad=false)
  }
  maxpool(3, stride=3, pad=(1, 0, 1, 1), dilation=1, ceil=true) }""",
    "rounding up with uneven padding": """
net A { input x: [N, 2, 9, 8]
  output a = x -> maxpool(3, stride=4, pad=(0, 1, 1, 0), ceil=true), b = x -> avgpool(3, stride=4, pad=(0, 1, 1, 0), ceil=true), c = x -> avgpool(4, stride=3, pad=(0, 2, 2, 1), ceil=true), d = x -> avgpool(4, stride=3, pad=(0, 2, 2, 1), ceil=true, count_pad=false), e = x -> maxpool(4, stride=3, pad=(0, 2, 2, 1), ceil=true), f = x -> avgpool(5, stride=3, pad=(0, 2, 2, 0), ceil=true) }""",
    "uneven padding of a size that is not known": """
net A { input x: [N, 2, H, 4*W]
  output a = x -> maxpool(3, stride=2, pad=(0, 1, 1, 0), ceil=true), b = x -> avgpool(4, stride=3, pad=(0, 2, 2, 1), ceil=true), c = x -> maxpool(2, stride=2, ceil=true), d = x -> conv(2, 3, stride=1, pad="same_upper") }""",
    "padding in a block's own terms": """
block padded(c, k, s=1, d=1) { conv(c, k, stride=s, pad="same", dilation=d) -> maxpool(k, stride=1, pad=k//2) -> avgpool(k, stride=s, pad="same") }
net A { input x: [N, 2, 12, 12]
  padded(3, 3) -> padded(4, 5, s=2) -> padded(2, 3, d=2) }""",
    "same_upper in a block, on maps of different sizes": """
block down(c) { conv(c, 3, stride=2, pad="same_upper") -> relu }
net A { input x: [N, 2, 14, 14]
  down(3) -> down(4) -> down(5) }""",
    "a block that flattens": """
block head(units, classes=3) { flatten -> dense(units) -> relu -> dense(classes) }
net A { input x: [N, 2, 8, 8]
  conv(3, 3) as c -> head(5) as a
  c -> maxpool(2) -> head(6) as b
  add { | a | b } }""",
    "a block that reads its height and width": """
block pool_all(c) { avgpool(in.height) -> conv(c, 1) -> flatten -> dense(in.width + 1) }
net A { input x: [N, 2, 8, 8]
  conv(3, 3) as c -> pool_all(4) as a
  c -> maxpool(2) -> pool_all(5) -> dense(7) as b
  concat { | a | b } }""",
    "pairs": """
block p(k, s) { conv(4, k, stride=s, pad=(k[0] // 2, k[1] // 2)) -> relu }
net A { input x: [N, 2, 9, 9]
  p(3x1, (1, 2)) -> p((1, 5), 2x1) -> maxpool(2x1, stride=1x2) -> conv(2, 1x3, pad=0x1, dilation=1x1) }""",
    "lets": """
block b(c, ratio=4) { let mid = max(c // ratio, 2)
  let ks = [1, 3]
  conv(mid, ks[0]) -> relu -> conv(mid, ks[1], pad=ks[1] // 2) -> relu -> conv(c, 1) }
net A { let width = 8
  input x: [N, 2, 6, 6]
  b(width) -> b(2 * width, ratio=2)
  for i in range(2) { let c = width // (i + 1)
    conv(c, 1) -> relu } }""",
    "defaults that depend on other parameters": """
block d(c, mid=c // 2, k=3) { conv(mid, 1) -> conv(c, k, pad=k // 2) }
block e(r=in.channels // 2) { conv(r, 1) }
net A { input x: [N, 4, 6, 6]
  d(4) -> d(6, mid=5) -> d(8, k=1) -> e() -> e(3) }""",
    "names that Python or the file itself uses": """
block lambda_(in_channels, self_, x=1, nn=3) { conv(in_channels, 1) -> conv(self_ * x, nn, pad=nn // 2) }
block f(class, l, torch: tensor) { concat { | conv(class, 1) | conv(l, 1) | torch } }
net A(width=3) { input forward: [N, 2, 6, 6]
  conv(width, 1) as F -> relu as y -> f(4, 2, y) as print -> lambda_(3, 2) -> lambda_(2, self_=1, x=2, nn=5)
  concat { | in | print -> maxpool(3, stride=1, pad=1) | F } }""",
    "vectors": """
net A { input x: [N, 12]
  dense(8) -> bn -> prelu -> group_norm(4) -> dropout(0.1)
  concat { | channels(0, 4) | pad_channels(1, 1) -> relu }
  add { | dense(4) | dense(4, bias=false) } -> log_softmax }""",
    "a block on vectors": """
block layer(units) { dense(units) -> bn -> gelu }
block res() { add { | in | layer(in.channels) } }
net A { input x: [N, 12]
  layer(8) -> res() -> layer(6) -> res() }""",
    "every activation and normalisation": """
net A { input x: [N, 4, 5, 5]
  relu -> relu6 -> leaky_relu(0.2) -> prelu -> elu -> selu -> gelu -> silu -> hardswish -> hardsigmoid -> mish -> softplus
  sigmoid -> tanh -> softmax -> log_softmax -> bn(eps=1e-3, momentum=0.01) -> lrn(3, alpha=0.1, beta=0.5, k=2) -> group_norm(2, eps=1e-3) }""",
    "every activation in a forward": """
net A { input x: [N, 4, 5, 5]
  add { | in | relu -> relu6 -> leaky_relu(0.2) -> prelu -> elu -> selu -> gelu -> silu -> hardswish -> hardsigmoid -> mish -> softplus }
  mul { | in | sigmoid -> tanh -> softmax -> log_softmax -> bn(eps=1e-3, momentum=0.01) -> lrn(3, alpha=0.1, beta=0.5, k=2) -> group_norm(2, eps=1e-3) } }""",
    "deconvolution, shuffles, adaptive pooling": """
block up(c, g=1) { deconv(c, 3, stride=2, pad=1, output_pad=1, groups=g, bias=false) -> bn -> relu }
net A { input x: [N, 4, 5, 7]
  up(4) -> up(6, g=2) -> conv(8, 1) -> pixel_shuffle(2) -> conv(6, 3, groups=2, pad=1, dilation=1) -> channel_shuffle(3)
  adaptive_avgpool(3x4) -> depthwise(3, stride=2, pad=1, multiplier=2) -> conv(4, 2) -> adaptive_avgpool(1) -> flatten -> dense(2) }""",
    "an in that is not the last value": """
block b(c) { conv(c, 1) -> relu
  in -> conv(c, 3, pad=1) as second
  concat { | second -> conv(c, 1) -> add { | in | relu } | in } }
net A { input x: [N, 3, 5, 5]
  b(2) -> b(3) }""",
    "values used far away": """
net A { input x: [N, 3, 8, 8]
  conv(4, 3, pad=1) as a -> relu as b -> conv(4, 1) as c -> add { | in | b } as d -> tanh
  concat { | a | b | c | d | x -> conv(1, 1) | in } -> conv(2, 1)
  add { | a -> conv(2, 1) | b -> conv(2, 1) | in } -> relu -> add { | c -> conv(2, 1) | in } }""",
    "a parameter that shapes and sizes": """
net A(n=3, width=4, rate=0.25) { input x: [N, 3, 8, 8]
  conv(width, 3, pad=1) -> dropout(rate)
  for i in range(n) { conv(width, 3, pad=1) -> relu }
  flatten -> dense(n) -> dense(width) }""",
    "a long loop in a net": """
net A { input x: [N, 3, 6, 6]
  for i in range(40) { conv(4, 3, pad=1) -> relu }
  for i in range(20) { conv(4 + i, 1) as "wide{i}" -> bn } }""",
    "a deep chain in a group": """
net A { input x: [N, 3, 6, 6]
  group g { conv(4, 3, pad=1) * 20
    for i in range(30) { conv(3, 1) -> relu } } }""",
    "labels, metadata and texts that try to break out": r"""
net A { input x: [N, 3, 6, 6] { mean = [0.1, 0.2, 0.3], std = 0.5, color = "bgr", resize = 8, crop = 6, invert = true }
  labels ["plain", "quo\"te", "it's", "both ' and \"", "\"\"\"", "back\\slash", "{braces}", "한글", "# no comment", "\\n", "a very long label that does not fit", "emoji 🎉"]
  flatten -> dense(12)
  meta { source = "\"\"\" + exec('1') + \"\"\"", licence = "ends with \"", citation = "back\\slash \\N{DASH} a long text that goes on and on and on, over more than a line of the docstring of the file" } }""",
    "a net called like a module": """
block torch(c) { conv(c, 1) }
block nn_(c) { conv(c, 1) }
block conv_2d(c) { conv(c, 1) -> torch(c) }
net F { input x: [N, 3, 6, 6]
  torch(2) -> nn_(3) -> conv_2d(4) }""",
    "two blocks of one class name": """
block ab_c(c) { conv(c, 1) }
block abC(c) { conv(c, 3, pad=1) }
block AbC(c) { bn -> conv(c, 1) }
net ABC { input x: [N, 3, 6, 6]
  ab_c(2) -> abC(3) -> AbC(4) }""",
    "a block whose structure depends on a list": """
block multi(kernels, c) {
  conv(c, 1) as first
  for k in kernels { conv(c, k, pad=k//2) as "k{k}" -> relu }
  add { | in | conv(c, 1) as back }
}
net A { input x: [N, 3, 6, 6]
  multi([1, 3], 2) -> multi([3, 5], 4) -> multi([1], 2) }""",
    "a repeat in a loop in a block": """
block b(ns, c) { for i, n in enumerate(ns) { conv(c, 3, pad=1) * n as "stage{i}"
    relu } }
net A { input x: [N, 3, 6, 6]
  b([1, 2], 3) -> b([2], 2) }""",
    "no steps of its own": """
block same(n) { conv(4, 1) * n }
block pass(c) { if c > 0 { conv(c, 1) } }
net A { input x: [N, 4, 6, 6]
  same(0) -> same(2) -> pass(0) -> pass(3) -> pass(0) }""",
    "values that nothing needs": """
net A { input x: [N, 4, 6, 6]
  conv(3, 1) as lost -> relu
  x -> conv(2, 3) -> add { | in | relu } }""",
    "a branch of one": """
net A { input x: [N, 4, 6, 6]
  add { | conv(3, 1) -> relu } -> concat { | bn } }""",
    "parallel branches by a loop": """
block aspp(c, rates) {
  conv(c, 1) as start
  for r in rates { concat { | in | start -> conv(c, 3, pad=r, dilation=r) } }
  conv(c, 1) as project
}
net A { input x: [N, 3, 14, 14]
  aspp(2, [1, 2, 3]) -> aspp(3, [2, 4]) }""",
    "a parameter passed through": """
block inner(c, k=3, bias=true) { conv(c, k, pad=k//2, bias=bias) }
block middle(c, k, flag) { inner(c, k, bias=flag) -> relu -> inner(c, bias=not flag) }
net A { input x: [N, 3, 6, 6]
  middle(2, 1, true) -> middle(3, 5, false) -> middle(c=4, flag=true, k=3) }""",
    "arithmetic": """
block a(c, e) { conv(c ** 2 // 3 + 1, 1) -> conv((c + e) * 2 % 7 + 1, 1) -> conv(c if c > e else e, 1) -> conv(-(-c // 2), 1) -> conv(min(c, e) + max(c, 1), 1) -> conv(sum([c, e]) + len([1, 2]), 1) -> dropout(1 / (c + 1)) }
net A { input x: [N, 3, 6, 6]
  a(4, 3) -> a(5, 6) }""",
    "conditions": """
block a(c, e, f=true) { concat { | in | if (c > 3 and not f) or 1 < e <= 4 { conv(c, 1) as one -> relu -> conv(c, 1) as two } else { conv(e, 1) as one } } }
net A { input x: [N, 3, 6, 6]
  a(4, 3) -> a(2, 6) -> a(5, 1, f=false) -> a(5, 1, true) }""",
}

SIZES = {"H": 7, "W": 3}

PROGRAMS |= {
    "shared windows on maps of two sizes": """
block down(c) { conv(c, 3, stride=2, pad="same_upper") -> relu -> maxpool(2, stride=2, pad="same_upper") }
net A { input x: [N, 3, 14, 14]
  shared d = down(3)
  shared c = conv(3, 3, stride=2, pad="same_upper")
  d -> d -> global_avgpool as a
  x -> c -> c -> c -> global_avgpool
  concat { | a | in } }""",
    "a shared value that is another module at its second place": """
block step(k) { if in.channels > 3 { conv(3, k, pad=k//2) as inner } else { relu } }
net A { input x: [N, 5, 6, 6]
  shared s = step(3)
  s -> tanh -> s }""",
    "a repetition that goes back each turn": """
block b(c, n) { tanh -> conv(c, 1)
  { in -> conv(c, 3, pad=1) -> relu } * n
  conv(c, 1) }
net A { input x: [N, 3, 6, 6]
  b(2, 2) -> b(3, 3) }""",
    "what only some instances use": """
block b(c, back) { conv(c, 3, pad=1) -> relu -> conv(c, 1)
  if back { in -> conv(c, 1) as other }
  bn }
net A { input x: [N, 3, 6, 6]
  b(2, false) -> b(3, true) -> b(4, false) }""",
    "a block that ignores what enters": """
block only(skip: tensor, c=2) { skip -> conv(c, 3, pad=1) -> relu }
net A { input x: [N, 3, 6, 6]
  conv(4, 1) as a -> tanh -> conv(3, 1) -> only(a) -> only(a, c=3) }""",
}

PROGRAMS |= {
    "padding of one kernel's size that another has not": """
block b(c, k) { conv(c, k, pad=(0, 0, 1, 1)) -> avgpool(k, stride=2, pad="same_upper", ceil=true) }
net A { input x: [N, 2, 11, 12]
  b(3, 3) -> relu -> b(2, 3)
  group_norm(2) -> global_avgpool -> group_norm(2) }""",
}

PROGRAMS |= {
    "averages of real cells on maps of two sizes": """
block b(c) { conv(c, 2, fill=0.5)
  avgpool(2x3, pad="same_upper", ceil=true, count_pad=false)
  avgpool(2, stride=3, pad="same_upper", count_pad=false) }
net A { input x: [N, 4, 9, 10]
  shared t = b(4)
  t as a
  x -> maxpool(2) -> t as q
  output o1 = a -> relu, o2 = q -> relu }""",
}
