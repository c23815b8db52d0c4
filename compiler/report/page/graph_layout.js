// Where everything of the plan's graph lies. (The page joins graph_*.js to one script.)
//
// Nodes are laid out inside their stage, then stages as wholes, both in layers (d3-dag).

const { stages, nodes, inputs, outputs, edges } = JSON.parse(
  document.getElementById("graph-data").textContent,
);

const NODE = { width: 176, height: 40 };
const CLOSED = { width: 220, height: 46 };
const PORT = { width: 176, height: 26 };
const TITLE = 34; // height of an open stage's title
const PAD = 12;
const GUTTER = 22; // free space at both sides of an open stage, for edges that pass its nodes
const FAR = 40; // an edge that skips more boxes would bend the whole layout: it is drawn straight

// A part of the upper level is a stage, an input or an output.
const parts = [
  ...inputs.map((name, index) => ({ id: `in${index}`, name, order: -1 })),
  ...stages.map((_, stage) => ({ id: `stage${stage}`, stage, order: stage })),
  ...outputs.map((name, index) => ({ id: `out${index}`, name, order: stages.length })),
];
const partById = new Map(parts.map((part) => [part.id, part]));
const stageOf = (node) => nodes[node][0];
const sourcePart = (end) => partById.get(end < 0 ? `in${-1 - end}` : `stage${stageOf(end)}`);
const targetPart = (end) => partById.get(end < 0 ? `out${-1 - end}` : `stage${stageOf(end)}`);

const members = stages.map(() => []);
const rank = nodes.map(([stage], node) => members[stage].push(node) - 1); // within its stage
const inner = stages.map(() => []); // edges inside each stage
for (const [from, to] of edges) {
  if (from >= 0 && to >= 0 && stageOf(from) === stageOf(to)) inner[stageOf(from)].push([from, to]);
}

// Places boxes {id, width, height} in layers along `links`, pairs of ids. Gives the middle of each
// box, and for each link, by its ids, the points where it passes through the layers between.
function layered(boxes, links, gap) {
  if (boxes.length === 0) return { middles: new Map(), bends: new Map(), width: 0, height: 0 };
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
  const middles = new Map();
  const layerHeight = new Map();
  for (const { data, x, y } of graph.nodes()) {
    middles.set(data.id, { x, y });
    layerHeight.set(y, Math.max(layerHeight.get(y) ?? 0, data.height));
  }
  const bends = new Map();
  for (const { source, target, points } of graph.links()) {
    const between = points.slice(1, -1).flatMap(([x, y]) => {
      const half = (layerHeight.get(y) ?? 0) / 2; // straight past the boxes of the layer
      return [{ x, y: y - half }, { x, y: y + half }];
    });
    bends.set(`${source.data.id} ${target.data.id}`, between);
  }
  return { middles, bends, width, height };
}

function layoutStage(stage) {
  const near = inner[stage].filter(([from, to]) => rank[to] - rank[from] <= FAR);
  return layered(members[stage].map((id) => ({ id, ...NODE })), near, [18, 24]);
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
  const insides = new Map([...open].map((stage) => [stage, layoutStage(stage)]));
  const boxes = parts.map((part) => ({ id: part.id, ...sizeOf(part, insides) }));
  const links = new Map();
  for (const [from, to] of edges) {
    const [source, target] = [sourcePart(from), targetPart(to)];
    if (source !== target && target.order - source.order <= FAR) {
      links.set(`${source.id} ${target.id}`, [source.id, target.id]);
    }
  }
  const upper = layered(boxes, [...links.values()], [24, 40]);
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
  for (const [from, to, value, transfer] of edges) {
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
