// Draws what graph_layout.js has placed: stages as boxes, their nodes inside, transfers dashed.

const OPEN_AT_FIRST = 400; // up to so many nodes all stages are open at first
const READABLE = 0.5; // below this zoom text is left out

const state = {
  open: new Set(),
  selected: null, // {node} or {stage}
  zoom: 1,
  size: { width: 1, height: 1 },
  boxes: new Map(), // what is drawn, by "node3" or "stage1": its element and its box
  edges: [],
};

function make(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function rectOf({ width, height }) {
  return make("rect", { x: -width / 2, y: -height / 2, width, height, rx: 5 });
}

function box(style, { x, y, width, height }, ...lines) {
  const group = make("g", { class: style, transform: `translate(${x} ${y})` }, rectOf({ width, height }));
  lines.forEach((line, index) => {
    const at = 5 + 17 * (index - (lines.length - 1) / 2);
    group.append(make("text", { x: 0, y: at, class: index ? "soft" : "" }, line));
  });
  return group;
}

// What stands for several lies on top of them.
function pile(element, id) {
  if (!drawing.details.has(id)) return element;
  const rect = element.querySelector("rect");
  for (const by of [6, 3]) {
    const below = rect.cloneNode();
    below.setAttribute("transform", `translate(${by} ${by})`);
    element.prepend(below);
  }
  element.classList.add("several");
  return element;
}

const said = (stage) => ({ ...stages[stage], ...drawing.details.get(`stage${stage}`) });

function drawStage(stage, place) {
  const { style, title, nodes: count, time } = said(stage);
  const inAll = drawing.details.has(`stage${stage}`) ? " in all" : "";
  const lines = state.open.has(stage) ? [] : [title, `${count}, ${time}${inAll}`];
  const element = box(`stage ${state.open.has(stage) ? "open" : "closed"} ${style}`, place, ...lines);
  element.dataset.stage = stage;
  return pile(element, `stage${stage}`);
}

// The title of an open stage, a layer above the edges that pass it.
function drawTitle(stage, { x, y, width, height }) {
  const { style, title, time } = said(stage);
  const bar = { x, y: y - (height - TITLE + 6) / 2, width, height: TITLE - 6 };
  const element = box(`title ${style}`, bar, `${title}, ${time}`);
  element.dataset.stage = stage;
  return element;
}

function curve([first, ...rest]) {
  let [path, last] = [`M${first.x} ${first.y}`, first];
  for (const next of rest) {
    const middle = (last.y + next.y) / 2;
    path += last.x === next.x ? `V${next.y}` : `C${last.x} ${middle} ${next.x} ${middle} ${next.x} ${next.y}`;
    last = next;
  }
  return path;
}

function drawEdge(edge) {
  const from = { x: edge.start.x, y: edge.start.y + edge.start.height / 2 };
  const to = { x: edge.end.x, y: edge.end.y - edge.end.height / 2 };
  const points = [from, ...edge.bends, to];
  const path = make("path", { d: curve(points), "marker-end": "url(#arrow)" });
  path.classList.toggle("transfer", Boolean(edge.transfer));
  path.classList.toggle("far", edge.far);
  path.append(make("title", {}, edge.values.join("\n")));
  return make("g", { class: "edge" }, path);
}

// What transfers cost, above the box that they are made for, one below the other.
function drawTransfers(transfers) {
  const { end, targetBox } = transfers[0];
  const top = targetBox.y - targetBox.height / 2 - 8;
  const lines = transfers.map(({ transfer, values }) => (values.length === 1 ? transfer : `${values.length} values`));
  const shown = lines.length <= 2 ? lines : [`${lines.length} transfers`];
  return shown.map((line, index) => make("text", { x: end.x + 6, y: top - 12 * (shown.length - 1 - index) }, line));
}

// The edges with a transfer, by the box they lead to; each transfer once, however many read it there.
function transfersByTarget(drawn) {
  const targets = new Map();
  for (const edge of drawn.filter(({ transfer }) => transfer)) {
    const transfers = targets.get(edge.targetBox.id) ?? new Map();
    targets.set(edge.targetBox.id, transfers.set(`${edge.values}`, edge));
  }
  return [...targets.values()].map((transfers) => [...transfers.values()]);
}

function draw() {
  const placed = layout(state.open);
  const [stageLayer, edgeLayer, nodeLayer] = [make("g", {}), make("g", { class: "edges" }), make("g", {})];
  state.boxes.clear();
  for (const part of drawing.parts) {
    const place = placed.partBoxes.get(part.id);
    if (part.stage === undefined) {
      stageLayer.append(box("port", place, part.name));
      continue;
    }
    const element = drawStage(part.stage, place);
    state.boxes.set(part.id, { element, place });
    stageLayer.append(element);
    if (state.open.has(part.stage)) nodeLayer.append(drawTitle(part.stage, place));
  }
  for (const [node, place] of placed.nodeBoxes) {
    const [stage, name, detail] = nodes[node];
    const all = drawing.details.get(`node${node}`);
    const element = pile(box(`node ${stages[stage].style}`, place, name, all ?? detail), `node${node}`);
    element.dataset.node = node;
    state.boxes.set(`node${node}`, { element, place });
    nodeLayer.append(element);
  }
  state.edges = drawnEdges(placed).map((edge) => ({ ...edge, element: drawEdge(edge) }));
  edgeLayer.append(...state.edges.map((edge) => edge.element));
  edgeLayer.append(...transfersByTarget(state.edges).flatMap(drawTransfers));
  svg.querySelector("g.all").replaceChildren(stageLayer, edgeLayer, nodeLayer);
  state.size = { width: placed.width + 2 * PAD, height: placed.height + 2 * PAD };
  svg.setAttribute("viewBox", `${-PAD} ${-PAD} ${state.size.width} ${state.size.height}`);
  setZoom(state.zoom);
  mark();
}

// Keeps the point of the drawing that is at (x, y) of the view where it is.
function setZoom(zoom, x = view.clientWidth / 2, y = view.clientHeight / 2) {
  const before = svg.getBoundingClientRect();
  const frame = view.getBoundingClientRect();
  const [across, down] = [
    (x + frame.left - before.left) / (before.width || 1),
    (y + frame.top - before.top) / (before.height || 1),
  ];
  state.zoom = Math.min(3, Math.max(0.02, zoom));
  svg.setAttribute("width", state.size.width * state.zoom);
  svg.setAttribute("height", state.size.height * state.zoom);
  svg.classList.toggle("small", state.zoom < READABLE);
  const after = svg.getBoundingClientRect();
  view.scrollLeft += after.left + across * after.width - x - frame.left;
  view.scrollTop += after.top + down * after.height - y - frame.top;
}

// At which it fills the width.
function across() {
  return Math.min(1, view.clientWidth / state.size.width);
}

// All of it; where that is too small to be read, what fills the width, to be scrolled downwards.
function fit() {
  const whole = Math.min(across(), view.clientHeight / state.size.height);
  setZoom(whole < READABLE ? across() : whole);
}

function show({ x, y }) {
  view.scrollLeft = (x + PAD) * state.zoom - view.clientWidth / 2;
  view.scrollTop = (y + PAD) * state.zoom - view.clientHeight / 2;
}
