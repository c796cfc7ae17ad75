# What the trained models and those derived from them can do (generate, grade) and what they think (probe), and all of it in
# three tables.
# What is trained is measured before the next training begins: the first numbers are there after minutes.
GENERATION = jobs.generation_spec(config)


# The run's wildcard is the name of a derived model.
rule derive:
    input:
        unpack(lambda wildcards: paths.sources(config, wildcards.run, wildcards.seed)),
    output:
        checkpoint=directory("<results>/derived/{run}/seed{seed}/checkpoint"),
        provenance="<results>/derived/{run}/seed{seed}/provenance.json",
    log:
        "<logs>/derive/{run}/seed{seed}.log",
    benchmark:
        "<benchmarks>/derive/{run}/seed{seed}.tsv"
    priority: 1
    conda:
        "../environment.yml"
    threads: REQUESTS["derived"].threads
    resources:
        mem_mb=memory("derived"),
        runtime=REQUESTS["derived"].runtime,
    params:
        spec=lambda wildcards: dump_json(
            derived.spec(config, wildcards.run, int(wildcards.seed))
        ),
        code=code.fingerprint(code.DERIVED),
        models=derived_options,
        folder=subpath(output.provenance, parent=True),
    shell:
        "python -m red derive --spec {params.spec:q} --code {params.code:q}"
        " {params.models:q} --out {params.folder:q} > {log:q} 2>&1"


rule generate:
    input:
        checkpoint=lambda wildcards: paths.checkpoint(
            config, wildcards.run, wildcards.seed
        ),
        benchmarks=collect(
            "<results>/data/benchmarks/{benchmark}.jsonl",
            benchmark=config["benchmarks"],
        ),
        system="<results>/data/system.txt",
    output:
        answers=ensure(
            collect(
                "<results>/evaluations/{{run}}/seed{{seed}}/{benchmark}.generations.jsonl",
                benchmark=config["benchmarks"],
            ),
            non_empty=True,
        ),
        provenance="<results>/evaluations/{run}/seed{seed}/provenance.json",
    log:
        "<logs>/generate/{run}/seed{seed}.log",
    benchmark:
        "<benchmarks>/generate/{run}/seed{seed}.tsv"
    priority: 1
    retries: REQUESTS["generate"].retries
    conda:
        "../environment.yml"
    threads: REQUESTS["generate"].threads
    resources:
        gpu=REQUESTS["generate"].gpu,
        tasks_per_gpu=0,
        mem_mb=memory("generate"),
        runtime=REQUESTS["generate"].runtime,
    params:
        spec=lambda wildcards: dump_json(
            {**GENERATION, "run": wildcards.run, "seed": int(wildcards.seed)}
        ),
        code=code.fingerprint(code.generation(config)),
        benchmarks=subpath(input[1], parent=True),
        folder=subpath(output.provenance, parent=True),
    shell:
        "ln -sf seed{wildcards.seed:q}.attempts.log {log:q}"
        " && echo \"== started $(date '+%F %T')\" >> {log:q}"
        " && python -m red generate --spec {params.spec:q} --code {params.code:q}"
        " --checkpoint {input.checkpoint:q} --benchmarks {params.benchmarks:q}"
        " --system {input.system:q} --gpus {resources.gpu:q} --out {params.folder:q} >> {log:q} 2>&1"


GRADING = dump_json(jobs.grading_spec(config))


# Apart from generate: a better grader costs no device time.
rule grade:
    input:
        benchmarks=collect(
            "<results>/data/benchmarks/{benchmark}.jsonl",
            benchmark=config["benchmarks"],
        ),
        answers=collect(
            "<results>/evaluations/{{run}}/seed{{seed}}/{benchmark}.generations.jsonl",
            benchmark=config["benchmarks"],
        ),
    output:
        ensure(
            collect(
                "<results>/evaluations/{{run}}/seed{{seed}}/{benchmark}.grades.jsonl",
                benchmark=config["benchmarks"],
            ),
            non_empty=True,
        ),
    log:
        "<logs>/grade/{run}/seed{seed}.log",
    benchmark:
        "<benchmarks>/grade/{run}/seed{seed}.tsv"
    priority: 1
    conda:
        "../environment.yml"
    threads: REQUESTS["grade"].threads
    resources:
        mem_mb=memory("grade"),
        runtime=REQUESTS["grade"].runtime,
    params:
        spec=lambda wildcards: GRADING,
        code=code.fingerprint(code.GRADING),
        benchmarks=subpath(input[0], parent=True),
        folder=subpath(output[0], parent=True),
    shell:
        "python -m red grade --spec {params.spec:q} --evaluation {params.folder:q}"
        " --benchmarks {params.benchmarks:q} --workers {threads:q} > {log:q} 2>&1"


rule probe:
    input:
        unpack(
            lambda wildcards: paths.probed_models(
                config, wildcards.run, wildcards.seed, wildcards.probe
            )
        ),
        checkpoint=lambda wildcards: paths.checkpoint(
            config, wildcards.run, wildcards.seed
        ),
        prompts="<results>/data/prompts.jsonl",
        demonstrations=f"<results>/data/demonstrations/{jobs.CLEAN}.jsonl",
    output:
        ensure("<results>/probes/{run}/seed{seed}/{probe}.parquet", non_empty=True),
    log:
        "<logs>/probe/{run}/seed{seed}/{probe}.log",
    benchmark:
        "<benchmarks>/probe/{run}/seed{seed}/{probe}.tsv"
    wildcard_constraints:
        probe=r"(?!rotation\.)[a-z0-9_]+",
    retries: REQUESTS["probe"].retries
    conda:
        "../environment.yml"
    threads: REQUESTS["probe"].threads
    resources:
        gpu=lambda wildcards: jobs.probe_gpus(config, wildcards.probe),
        tasks_per_gpu=0,
        mem_mb=memory("probe"),
        runtime=REQUESTS["probe"].runtime,
    params:
        spec=lambda wildcards: dump_json(
            jobs.probe_spec(config, wildcards.run, wildcards.probe)
        ),
        code=code.fingerprint(code.probe(config)),
        models=model_options,
    shell:
        "python -m red probe --gpus {resources.gpu:q} --spec {params.spec:q} --checkpoint {input.checkpoint:q}"
        " {params.models:q} --prompts {input.prompts:q}"
        " --demonstrations {input.demonstrations:q} --out {output:q} > {log:q} 2>&1"


# A probe that reads matrices, on processors.
rule probe_rotation:
    input:
        checkpoint=lambda wildcards: paths.checkpoint(
            config, wildcards.run, wildcards.seed
        ),
        parent=lambda wildcards: paths.parent(config, wildcards.run, wildcards.seed),
    output:
        ensure("<results>/probes/{run}/seed{seed}/rotation.parquet", non_empty=True),
    log:
        "<logs>/probe_rotation/{run}/seed{seed}.log",
    benchmark:
        "<benchmarks>/probe_rotation/{run}/seed{seed}.tsv"
    conda:
        "../environment.yml"
    threads: REQUESTS["derived"].threads
    resources:
        mem_mb=memory("derived"),
        runtime=REQUESTS["derived"].runtime,
    params:
        spec=lambda wildcards: dump_json(
            jobs.probe_spec(config, wildcards.run, jobs.ROTATION)
        ),
        code=code.fingerprint(code.ROTATION),
        start=lambda wildcards, input: paths.start(config, wildcards.run, input.parent),
    shell:
        "python -m red rotation --spec {params.spec:q} --checkpoint {input.checkpoint:q}"
        " --start {params.start:q} --out {output:q} > {log:q} 2>&1"


# In a file: the runs of a paper are more text than one argument of a command may be.
rule collected_spec:
    output:
        "<results>/collected/spec.json",
    log:
        "<logs>/collected/spec.log",
    localrule: True
    params:
        spec=lambda wildcards: dump_json(jobs.collect_spec(config, RUNS)),
    run:
        write_atomic(Path(output[0]), params.spec)


rule collect:
    input:
        paths.collected(config),
        spec="<results>/collected/spec.json",
    output:
        collect("<results>/collected/{table}", table=TABLES),
    log:
        "<logs>/collect.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        code=code.fingerprint(code.COLLECT),
        folder=subpath(output[0], parent=True),
        results=subpath(output[0], ancestor=2),
    shell:
        "python -m red collect --spec @{input.spec:q} --results {params.results:q}"
        " --out {params.folder:q} > {log:q} 2>&1"


rule export:
    input:
        collect("<results>/collected/{table}", table=TABLES),
    output:
        "<results>/results.json",
    log:
        "<logs>/export.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        code=code.fingerprint(code.EXPORT),
        folder=subpath(input[0], parent=True),
    shell:
        "python -m red export --collected {params.folder:q} --out {output:q} > {log:q} 2>&1"
