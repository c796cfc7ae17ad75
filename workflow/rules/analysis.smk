# One rule per table or figure, made from the list `items`; what an item is stands in analysis/items/<item>.py. And one
# for the page with all of them.
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
            "../environment.yml"
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


rule report:
    input:
        [path for item in ITEMS for path in item_files(item)],
        [f"<results>/collected/{table}" for table in TABLES],
        reported=REPORTED,
    output:
        "<results>/report.html",
    log:
        "<logs>/report.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        shown=ITEMS,
        code=report_code(),
        results=subpath(output[0], parent=True),
    shell:
        "python -m analysis.report --items {params.shown:q} --results {params.results:q}"
        " --collected {params.results:q}/collected --reported {input.reported:q}"
        " --out {output:q} > {log:q} 2>&1"
