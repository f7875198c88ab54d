"""Load the quickstart study and draw two figures, cell by cell. Run `sweep run studies/quickstart.yaml` first.

Editors with cells (VS Code, PyCharm, Spyder) run the parts between `# %%` one by one and show the figures; as a script,
`python examples/notebook.py` writes them as HTML files.
"""

# %% What the study has found
import sweeps

results = sweeps.load("quickstart")
print(results.question)
print(*results.answer, sep="\n")

# %% The ablation as a data frame
ablation = results.ablation[["arm", "estimate", "low", "high", "p_holm", "verdict"]]
print(ablation.to_string(index=False))

# %% Differences with their intervals
forest = results.figures.forest()
forest.write_html("forest.html")
forest

# %% Learning curves of the search
curves = results.figures.learning_curves()
curves.write_html("learning_curves.html")
curves

# %% The recipe that stands for the study
print(results.best)
print(dict(results.best.recipe))
