// Where everything of the plan's graph lies. (The page joins graph_*.js to one script.)
//
// Nodes are laid out inside their stage, then stages as wholes, both in layers (d3-dag), which stand
// side by side in columns where they would make one long strip.

const plan = JSON.parse(document.getElementById("graph-data").textContent);
const { stages, nodes, inputs, outputs } = plan;

const svg = document.getElementById("graph-drawing");
const view = svg.parentElement;

const NODE = { width: 176, height: 40 };
const CLOSED = { width: 260, height: 46 };
const PORT = { width: 176, height: 26 };
const TITLE = 34; // height of an open stage's title
const PAD = 12;
const GUTTER = 22; // free space at both sides of an open stage, for edges that pass its nodes
const FAR = 40; // an edge that skips more boxes would bend the whole layout: it is drawn straight

const LANE = 16; // left of boxes one below the other, for edges that pass them
const COLUMNS = { across: 36, end: 16 }; // between columns, and before and after each of them

const foldOf = (node) => plan.folds.find(({ first, period, copies }) => node >= first && node < first + period * copies);
const stageOf = (node) => nodes[node][0];

// What there is to be drawn: the plan's nodes, or, where it is folded, those of the first copy of
// each block in place of all copies. A part of the upper level is a stage, an input or an output.
function content(folded) {
  const foldAt = nodes.map((_, node) => (folded ? foldOf(node) : undefined));
  const standsFor = nodes.map((_, node) => {
    const fold = foldAt[node];
    return fold ? fold.first + ((node - fold.first) % fold.period) : node;
  });
  const edges = plan.edges.flatMap(([from, to, ...rest]) => {
    if (to >= 0 && standsFor[to] !== to) return []; // the first copy reads the same
    if (from < 0 || standsFor[from] === from) return [[from, to, ...rest]];
    return foldAt[from] === foldAt[to] ? [] : [[standsFor[from], to, ...rest]];
  });
  const shown = [...nodes.keys()].filter((node) => standsFor[node] === node);
  const members = stages.map(() => []);
  const rank = new Map(shown.map((node) => [node, members[stageOf(node)].push(node) - 1])); // within its stage
  const inner = stages.map(() => []); // edges inside each stage
  for (const [from, to] of edges) {
    if (from >= 0 && to >= 0 && stageOf(from) === stageOf(to)) inner[stageOf(from)].push([from, to]);
  }
  const parts = [
    ...inputs.map((name, index) => ({ id: `in${index}`, name, order: -1 })),
    ...stages.flatMap((_, stage) => (members[stage].length ? [{ id: `stage${stage}`, stage, order: stage }] : [])),
    ...outputs.map((name, index) => ({ id: `out${index}`, name, order: stages.length })),
  ];
  const details = new Map(); // of nodes and stages that stand for several
  for (const fold of folded ? plan.folds : []) {
    fold.details.forEach((detail, at) => details.set(`node${fold.first + at}`, detail));
    for (const [stage, said] of Object.entries(fold.stages)) details.set(`stage${stage}`, said);
  }
  return { edges, shown, members, rank, inner, parts, standsFor, details, partById: new Map(parts.map((part) => [part.id, part])) };
}

let drawing = content(plan.folds.length > 0);
const sourcePart = (end) => drawing.partById.get(end < 0 ? `in${-1 - end}` : `stage${stageOf(end)}`);
const targetPart = (end) => drawing.partById.get(end < 0 ? `out${-1 - end}` : `stage${stageOf(end)}`);

// Places boxes {id, width, height} along `links`, pairs of ids: in layers (d3-dag), or one below the
// other where these are wider than the room; and all that in as many columns as fit. Gives the
// middle of each box, and for each link, by its ids, the points where it passes other boxes.
function placed(boxes, links, gap, room) {
  if (boxes.length === 0) return { middles: new Map(), bends: new Map(), width: 0, height: 0 };
  const layers = inLayers(boxes, links, gap);
  const { places, passes, ...whole } = layers.width <= room.width ? layers : stacked(boxes, links, gap);
  const layerHeight = new Map();
  for (const { y, height } of places.values()) layerHeight.set(y, Math.max(layerHeight.get(y) ?? 0, height));
  const { columnAt, size } = columns(layerHeight, whole, room);
  const moved = (x, y, layer) => ({ x: x + columnAt(layer).left, y: y - columnAt(layer).top });
  const middles = new Map([...places].map(([id, { x, y }]) => [id, moved(x, y, y)]));
  const bends = new Map();
  for (const { from, to, points } of passes) {
    const half = (y) => (layerHeight.get(y) ?? 0) / 2; // straight past the boxes of the layer
    const around = points.map(([x, y]) => [moved(x, y - half(y), y), moved(x, y + half(y), y)]);
    const reached = [places.get(from).y, ...points.map(([, y]) => y), places.get(to).y];
    const along = reached.slice(1).flatMap((layer, step) => [
      ...detour(columnAt(reached[step]), columnAt(layer), (around[step - 1]?.[1] ?? middles.get(from)).x),
      ...(around[step] ?? []),
    ]);
    bends.set(`${from} ${to}`, along);
  }
  return { middles, bends, ...size };
}

function inLayers(boxes, links, gap) {
  const parents = new Map(boxes.map((box) => [box.id, new Set()]));
  for (const [from, to] of links) parents.get(to).add(from);
  const graph = d3.graphStratify()(
    boxes.map((box) => ({ ...box, id: `${box.id}`, parentIds: [...parents.get(box.id)].map(String) })),
  );
  const small = boxes.length <= 60;
  const { width, height } = d3
    .sugiyama()
    .nodeSize(({ data }) => [data.width, data.height])
    .gap(gap)
    .layering(small ? d3.layeringSimplex() : d3.layeringLongestPath())
    .coord(small ? d3.coordSimplex() : d3.coordGreedy())(graph);
  const places = new Map([...graph.nodes()].map(({ data, x, y }) => [data.id, { x, y, height: data.height }]));
  const passes = [...graph.links()].map(({ source, target, points }) => ({
    from: source.data.id,
    to: target.data.id,
    points: points.slice(1, -1),
  }));
  return { places, passes, width, height };
}

// One below the other, in the order given; what passes a box does so on its left.
function stacked(boxes, links, [, down]) {
  const widest = Math.max(...boxes.map(({ width }) => width));
  const places = new Map();
  let height = 0;
  for (const box of boxes) {
    places.set(`${box.id}`, { x: LANE + widest / 2, y: height + box.height / 2, height: box.height });
    height += box.height + down;
  }
  const at = new Map(boxes.map(({ id }, index) => [id, index]));
  const passes = links.map(([from, to]) => ({
    from: `${from}`,
    to: `${to}`,
    points: boxes.slice(at.get(from) + 1, at.get(to)).map(({ id }) => [LANE / 2, places.get(`${id}`).y]),
  }));
  return { places, passes, width: widest + LANE, height: height - down };
}

// Cuts the layers, {middle: height}, into columns where all of them in one would be higher than the
// room and leave most of its width free. Tells of each layer what moves it to its column.
function columns(layerHeight, { width, height }, room) {
  const most = Math.floor((room.width + COLUMNS.across) / (width + COLUMNS.across));
  const none = { left: 0, top: 0 };
  if (most < 2 || height <= room.height) return { columnAt: () => none, size: { width, height } };
  const ends = [...layerHeight].map(([y, high]) => [y, y - high / 2, y + high / 2]).sort(([a], [b]) => a - b);
  const target = Math.max(room.height - 2 * COLUMNS.end, height / most);
  const of = new Map();
  const all = [];
  for (const [y, top, bottom] of ends) {
    if (all.length === 0 || (bottom - all.at(-1).start > target && all.length < most)) {
      all.push({ left: all.length * (width + COLUMNS.across), start: top, top: top - COLUMNS.end });
    }
    of.set(y, all.at(-1));
    all.at(-1).bottom = bottom - all.at(-1).top;
  }
  const deepest = Math.max(...all.map(({ bottom }) => bottom));
  const size = { width: all.length * (width + COLUMNS.across) - COLUMNS.across, height: deepest + COLUMNS.end };
  return { columnAt: (y) => of.get(y), size };
}

// From the end of a column over to the head of a later one.
function detour(column, next, x) {
  if (column === next) return [];
  const [down, up] = [column.bottom + COLUMNS.end / 2, COLUMNS.end / 2];
  const gutter = next.left - COLUMNS.across / 2;
  return [{ x, y: down }, { x: gutter, y: down }, { x: gutter, y: up }];
}

// Inside the view, less what stands around the nodes.
function roomFor(around) {
  return { width: view.clientWidth - 2 * PAD - around, height: view.clientHeight - 2 * PAD };
}

function layoutStage(stage) {
  const { rank, inner, members } = drawing;
  const near = inner[stage].filter(([from, to]) => rank.get(to) - rank.get(from) <= FAR);
  return placed(members[stage].map((id) => ({ id, ...NODE })), near, [18, 24], roomFor(2 * GUTTER));
}

function sizeOf(part, insides) {
  if (part.stage === undefined) return PORT;
  const inside = insides.get(part.stage);
  if (!inside) return CLOSED;
  return {
    width: Math.max(CLOSED.width, inside.width + 2 * GUTTER),
    height: inside.height + TITLE + PAD,
  };
}

// The place of everything: boxes of parts and nodes by their middle, and bends of edges.
function layout(open) {
  const { parts, edges } = drawing;
  const shownOpen = parts.filter(({ stage }) => open.has(stage)).map(({ stage }) => stage);
  const insides = new Map(shownOpen.map((stage) => [stage, layoutStage(stage)]));
  const boxes = parts.map((part) => ({ id: part.id, ...sizeOf(part, insides) }));
  const links = new Map();
  for (const [from, to] of edges) {
    const [source, target] = [sourcePart(from), targetPart(to)];
    if (source !== target && target.order - source.order <= FAR) {
      links.set(`${source.id} ${target.id}`, [source.id, target.id]);
    }
  }
  const upper = placed(boxes, [...links.values()], [24, 40], roomFor(0));
  const partBoxes = new Map(boxes.map((box) => [box.id, { ...box, ...upper.middles.get(box.id) }]));
  const nodeBoxes = new Map();
  const innerBends = new Map();
  for (const [stage, inside] of insides) {
    const box = partBoxes.get(`stage${stage}`);
    const left = box.x - inside.width / 2;
    const top = box.y - box.height / 2 + TITLE;
    const move = ({ x, y }) => ({ x: left + x, y: top + y });
    for (const [id, middle] of inside.middles) nodeBoxes.set(+id, { ...NODE, ...move(middle) });
    for (const [link, points] of inside.bends) innerBends.set(link, points.map(move));
  }
  return { partBoxes, nodeBoxes, innerBends, outerBends: upper.bends, ...upper };
}

// Where an edge leaves an open stage whose further nodes are in its way: along the right side.
function leaving(node, part) {
  const bottom = part.y + part.height / 2;
  if (node.y + node.height / 2 + PAD + 1 > bottom) return [];
  const x = part.x + part.width / 2 - GUTTER / 2;
  return [{ x, y: node.y + node.height / 2 + 12 }, { x, y: bottom }];
}

// And where it enters one: along the left side.
function entering(node, part) {
  const top = part.y - part.height / 2;
  if (node.y - node.height / 2 - TITLE - 1 < top) return [];
  const x = part.x - part.width / 2 + GUTTER / 2;
  return [{ x, y: top }, { x, y: node.y - node.height / 2 - 12 }];
}

// The edges to be drawn, each once: between nodes where stages are open, else between boxes.
function drawnEdges({ partBoxes, nodeBoxes, innerBends, outerBends }) {
  const drawn = new Map();
  for (const [from, to, value, transfer] of drawing.edges) {
    const [source, target] = [sourcePart(from), targetPart(to)];
    const [sourceBox, targetBox] = [partBoxes.get(source.id), partBoxes.get(target.id)];
    const start = (from >= 0 && nodeBoxes.get(from)) || sourceBox;
    const end = (to >= 0 && nodeBoxes.get(to)) || targetBox;
    if (start === end) continue; // inside a closed stage
    const key = `${start.x} ${start.y} ${end.x} ${end.y}`;
    if (!drawn.has(key)) {
      const outer = outerBends.get(`${source.id} ${target.id}`);
      const bends =
        source === target
          ? innerBends.get(`${from} ${to}`)
          : outer && [...leaving(start, sourceBox), ...outer, ...entering(end, targetBox)];
      drawn.set(key, { start, end, targetBox, bends: bends ?? [], far: !bends, values: [], ends: [] });
    }
    const edge = drawn.get(key);
    edge.values.push(transfer ? `${value} (transferred: ${transfer})` : value);
    edge.transfer ||= transfer;
    edge.ends.push([from, to]);
  }
  return [...drawn.values()];
}
