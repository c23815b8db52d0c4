"""Reports: how fast, how sure, what runs where, why, and what would change it.

What is said    content     the report as one frozen value
                build       Manifest + CostTable + Trace -> Report, with
                            summary, devices, stages, nodes, timeline, account, elsewhere
                difference  two plans compared: what moved, what that did
How it is said  wording     the words and marks that every rendering shares
                document    Report, Difference -> JSON
                terminal    Report -> a terminal, with tables and grid; difference_terminal
                dot         Report -> Graphviz, along its edges
                annotated   the plan's stages -> one ONNX model that says where operators run
                html        Report -> one page: page.html.j2 with tables and drawings, page.css;
                            charts, roofline, lanes and marks for its drawings,
                            page.js for its tables,
                            graph, graph_*.js, graph.css and vendor/ for its graph
"""
