// What the reader does with the graph: choosing, opening, searching, moving about.

const panel = document.getElementById("graph-panel");
const search = document.getElementById("graph-search");
const found = document.getElementById("graph-found");
const hint = panel.textContent;

const nodeRows = [...document.querySelectorAll("#node-table tbody tr")];
const stageRows = [...document.querySelectorAll("#stage-table tbody tr")];
const texts = nodeRows.map((row) => `${row.cells[0].textContent} ${row.cells[1].textContent}`.toLowerCase());

// Everything a table's row says, as a list, with reasons written out.
function describe(row) {
  const headings = row.closest("table").tHead.rows[0].cells;
  const list = document.createElement("dl");
  [...row.cells].forEach((cell, column) => {
    if (!cell.textContent.trim()) return;
    const [term, detail] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = headings[column].textContent;
    detail.append(...cell.cloneNode(true).childNodes);
    const reason = cell.querySelector("sup");
    if (reason) {
      detail.textContent = document.querySelectorAll("#reasons li")[reason.textContent - 1].textContent;
    }
    for (const extra of detail.querySelectorAll("small")) extra.prepend("the plan: ");
    detail.className = cell.className;
    list.append(term, detail);
  });
  return list;
}

function select(choice) {
  state.selected = choice;
  if (choice?.node !== undefined && drawing.standsFor[choice.node] !== choice.node) fold(false);
  if (choice?.node !== undefined && !state.open.has(stageOf(choice.node))) {
    state.open.add(stageOf(choice.node));
    draw();
  }
  mark();
  if (!choice) panel.replaceChildren(hint);
  else panel.replaceChildren(describe(choice.node !== undefined ? nodeRows[choice.node] : stageRows[choice.stage]));
}

function reveal(choice) {
  select(choice);
  if (state.zoom < READABLE) setZoom(1);
  show(state.boxes.get(keyOf(choice)).place);
}

function keyOf({ node, stage }) {
  return node !== undefined ? `node${node}` : `stage${stage}`;
}

function mark() {
  const { selected } = state;
  const key = selected && keyOf(selected);
  for (const [id, { element }] of state.boxes) element.classList.toggle("selected", id === key);
  for (const edge of state.edges) {
    const lit = selected?.node !== undefined && edge.ends.some((pair) => pair.includes(selected.node));
    edge.element.classList.toggle("lit", lit);
  }
}

function toggle(stage) {
  if (!state.open.delete(stage)) state.open.add(stage);
  draw();
  reveal({ stage });
}

function openAll(stagesToOpen) {
  state.open = new Set(stagesToOpen);
  select(null);
  draw();
}

const folding = document.getElementById("graph-fold");
folding.hidden = plan.folds.length === 0;

// Blocks that repeat are drawn once, or all of them.
function fold(folded) {
  drawing = content(folded);
  state.open = new Set(drawing.shown.length <= OPEN_AT_FIRST ? stages.keys() : []);
  folding.textContent = folded ? "Draw every layer" : "Draw layers once";
  folding.setAttribute("aria-pressed", `${!folded}`);
  if (state.selected && state.selected.node === undefined) state.selected = null; // it may not be drawn any more
  draw();
}

svg.addEventListener("click", ({ target }) => {
  if (dragged > 4) return; // the end of a drag is no choice
  const { dataset } = target.closest("[data-node], [data-stage]") ?? {};
  if (dataset?.node !== undefined) select({ node: +dataset.node });
  else if (dataset?.stage === undefined) select(null);
  else if (target.closest(".title, .closed")) toggle(+dataset.stage);
  else select({ stage: +dataset.stage });
});

const follow = {
  ArrowDown: (node) => drawing.edges.find(([from, to]) => from === node && to >= 0)?.[1],
  ArrowUp: (node) => drawing.edges.find(([from, to]) => to === node && from >= 0)?.[0],
  ArrowRight: (node) => drawing.shown[drawing.shown.indexOf(node) + 1],
  ArrowLeft: (node) => drawing.shown[drawing.shown.indexOf(node) - 1],
};

view.addEventListener("keydown", (event) => {
  const { selected } = state;
  if (event.key === "Escape") select(null);
  else if (event.key === "Enter" && selected?.stage !== undefined) toggle(selected.stage);
  else if (event.key === "Enter" && !selected) reveal({ node: 0 });
  else if (event.key === "+") setZoom(1.25 * state.zoom);
  else if (event.key === "-") setZoom(state.zoom / 1.25);
  else if (event.key === "0") fit();
  else if (selected?.node !== undefined && follow[event.key]) {
    const next = follow[event.key](selected.node);
    if (nodes[next]) reveal({ node: next });
  } else return;
  event.preventDefault();
});

view.addEventListener("wheel", (event) => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  const frame = view.getBoundingClientRect();
  setZoom(state.zoom * 0.998 ** event.deltaY, event.clientX - frame.left, event.clientY - frame.top);
}, { passive: false });

let dragged = 0;

view.addEventListener("pointerdown", () => {
  dragged = 0;
});

view.addEventListener("pointermove", (event) => {
  if (event.buttons !== 1 || event.pointerType === "touch") return; // touch scrolls by itself
  dragged += Math.abs(event.movementX) + Math.abs(event.movementY);
  view.scrollLeft -= event.movementX;
  view.scrollTop -= event.movementY;
});

function matches() {
  const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  return [...nodes.keys()].filter((node) => words.every((word) => texts[node].includes(word)));
}

search.addEventListener("input", () => {
  found.value = search.value.trim() ? `${matches().length} found` : "";
});

// Enter goes from match to match.
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  const all = matches();
  if (all.length === 0) return;
  const next = (all.indexOf(state.selected?.node) + 1) % all.length;
  reveal({ node: all[next] });
  found.value = `${next + 1} of ${all.length}`;
});

const buttons = {
  "graph-open": () => openAll(stages.keys()),
  "graph-close": () => openAll([]),
  "graph-fold": () => fold(drawing.shown.length === nodes.length),
  "graph-in": () => setZoom(1.25 * state.zoom),
  "graph-out": () => setZoom(state.zoom / 1.25),
  "graph-fit": fit,
};
for (const [id, action] of Object.entries(buttons)) {
  document.getElementById(id).addEventListener("click", action);
}

fold(plan.folds.length > 0);
setZoom(Math.max(READABLE, across()));
view.scrollTo((svg.clientWidth - view.clientWidth) / 2, 0);
