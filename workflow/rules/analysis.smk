# One rule per table or figure, made from the list `items`; what an item is stands in analysis/items/<item>.py.
for item in ITEMS:

    rule:
        name:
            item
        input:
            tables_of(item),
            reported=REPORTED,
        output:
            [reported(item, path) for path in item_files(item)],
        log:
            f"<logs>/analysis/{item}.log",
        localrule: True
        conda:
            "../../environment.yml"
        params:
            item=item,
            # A mapping: braces in a text are no wildcards.
            about=vars(LISTING[item]),
            code=analysis_code(item),
            collected=subpath(input[0], parent=True),
            results=subpath(output[0], ancestor=2),
        shell:
            "python -m analysis {params.item:q} --collected {params.collected:q}"
            " --reported {input.reported:q} --out {params.results:q} > {log:q} 2>&1"
