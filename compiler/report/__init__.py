"""Reports: how fast, how sure, what runs where, why, and what would change it.

content    what a report says, as one frozen value
build      Manifest + CostTable + Trace -> Report
elsewhere  what the plan would cost with one node somewhere else
timeline   stages and copies laid out in time
wording    the words and marks that every rendering shares
document   Report -> JSON
terminal   Report -> text for a terminal
html       Report -> one self-contained page (page.html.j2, page.css, page.js; charts draws)
"""
