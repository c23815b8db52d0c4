"""Reports: how fast, how sure, what runs where, why, and what would change it.

What is said    model/     content     the report as one frozen value, of rows and figures
                           build       PlannedVariant + CostTable + Trace -> Report, with
                                       summary, alone, devices, stages, nodes, timeline, what_if
                           edges       which node hands which value to which
                           difference  two plans compared: what moved, what that did
How it is said  wording                the words and marks that every rendering shares
                headline               the first lines: what was observed, what is proved
                export/    json        Report, Difference -> JSON
                           dot         Report -> Graphviz, along its edges
                           onnx        the plan's programs -> one ONNX model that says where
                                       operators run
                terminal/  report      Report -> a terminal, with tables and grid
                           difference  Difference -> a terminal
                page/      html        Report -> one page: page.html.j2 with tables and drawings,
                                       page.css; charts, roofline, timeline and marks for its
                                       drawings, page.js for its tables, graph, graph_*.js,
                                       graph.css and vendor/ for its graph
"""
