# Models, prompts, demonstrations and benchmarks. Downloads run where Snakemake runs: they need the network.
# Local where it is a download, a job where it is a pretraining.
rule model:
    output:
        directory("<models>/{model}"),
    log:
        "<logs>/data/models/{model}.log",
    benchmark:
        "<benchmarks>/data/models/{model}.tsv"
    localrule: config["model"]["source"] == "hub"
    conda:
        "../environment.yml"
    threads: REQUESTS["model"].threads
    resources:
        gpu=REQUESTS["model"].gpu,
        mem_mb=memory("model"),
        runtime=REQUESTS["model"].runtime,
    params:
        spec=lambda wildcards: dump_json(jobs.models(config)[wildcards.model]),
        code=lambda wildcards: code.fingerprint(code.model(config, wildcards.model)),
    shell:
        "python -m red data model --gpus {resources.gpu:q} --spec {params.spec:q} --out {output:q} > {log:q} 2>&1"


rule prompts:
    output:
        rows=ensure("<results>/data/prompts.jsonl", non_empty=True),
        counts="<results>/data/prompts.json",
        system="<results>/data/system.txt",
    log:
        "<logs>/data/prompts.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        spec=lambda wildcards: dump_json(jobs.prompts_spec(config)),
        code=code.fingerprint(code.prompts(config)),
    shell:
        "python -m red data prompts --spec {params.spec:q} --out {output.rows:q} > {log:q} 2>&1"


rule demonstrations:
    input:
        prompts="<results>/data/prompts.jsonl",
    output:
        rows=ensure("<results>/data/demonstrations/clean.jsonl", non_empty=True),
        summary="<results>/data/demonstrations/clean.json",
    log:
        "<logs>/data/demonstrations/clean.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        spec=lambda wildcards: dump_json(jobs.demonstrations_spec(config)),
        code=code.fingerprint(code.demonstrations(config)),
    shell:
        "python -m red data demonstrations --spec {params.spec:q}"
        " --prompts {input.prompts:q} --out {output.rows:q} > {log:q} 2>&1"


# Once for every rate: the sampling costs, the corruption does not.
rule wrong_responses:
    input:
        prompts="<results>/data/prompts.jsonl",
        demonstrations=f"<results>/data/demonstrations/{jobs.CLEAN}.jsonl",
        model=paths.first_base(config),
    output:
        "<results>/data/wrong_responses.jsonl",
    log:
        "<logs>/data/wrong_responses.log",
    benchmark:
        "<benchmarks>/data/wrong_responses.tsv"
    retries: REQUESTS["wrong_responses"].retries
    conda:
        "../environment.yml"
    threads: REQUESTS["wrong_responses"].threads
    resources:
        gpu=REQUESTS["wrong_responses"].gpu,
        tasks_per_gpu=0,
        mem_mb=memory("wrong_responses"),
        runtime=REQUESTS["wrong_responses"].runtime,
    params:
        spec=lambda wildcards: dump_json(jobs.wrong_responses_spec(config)),
        code=code.fingerprint(code.wrong_responses(config)),
    shell:
        "python -m red data wrong_responses --gpus {resources.gpu:q} --spec {params.spec:q} --prompts {input.prompts:q}"
        " --demonstrations {input.demonstrations:q} --model {input.model:q} --workers {threads:q}"
        " --out {output:q} > {log:q} 2>&1"


rule corrupted_demonstrations:
    input:
        unpack(lambda wildcards: paths.wrong_responses(config, wildcards.corruption)),
        prompts="<results>/data/prompts.jsonl",
        demonstrations=f"<results>/data/demonstrations/{jobs.CLEAN}.jsonl",
    output:
        rows=ensure("<results>/data/demonstrations/{corruption}.jsonl", non_empty=True),
        summary="<results>/data/demonstrations/{corruption}.json",
    log:
        "<logs>/data/demonstrations/{corruption}.log",
    benchmark:
        "<benchmarks>/data/demonstrations/{corruption}.tsv"
    wildcard_constraints:
        corruption="(?!clean$)[a-z0-9_]+",
    conda:
        "../environment.yml"
    threads: REQUESTS["demonstrations"].threads
    resources:
        gpu=REQUESTS["demonstrations"].gpu,
        mem_mb=memory("demonstrations"),
        runtime=REQUESTS["demonstrations"].runtime,
    params:
        spec=lambda wildcards: dump_json(
            jobs.corruption_spec(config, wildcards.corruption)
        ),
        code=code.fingerprint(code.CORRUPTION),
        wrong_responses=lambda wildcards, input: (
            ["--wrong-responses", input.wrong_responses]
            if "wrong_responses" in input.keys()
            else []
        ),
    shell:
        "python -m red data corruption --spec {params.spec:q} --prompts {input.prompts:q}"
        " --demonstrations {input.demonstrations:q} {params.wrong_responses:q}"
        " --out {output.rows:q} > {log:q} 2>&1"


# What a run of re-distillation learns: the right answers of another run's model.
rule redistilled:
    input:
        prompts="<results>/data/prompts.jsonl",
        model=lambda wildcards: paths.checkpoint(
            config, runs.answer_source(config, wildcards.run), wildcards.seed
        ),
    output:
        rows=ensure("<results>/data/redistilled/{run}/seed{seed}.jsonl", non_empty=True),
        summary="<results>/data/redistilled/{run}/seed{seed}.json",
    log:
        "<logs>/data/redistilled/{run}/seed{seed}.log",
    benchmark:
        "<benchmarks>/data/redistilled/{run}/seed{seed}.tsv"
    retries: REQUESTS["wrong_responses"].retries
    conda:
        "../environment.yml"
    threads: REQUESTS["wrong_responses"].threads
    resources:
        gpu=REQUESTS["wrong_responses"].gpu,
        tasks_per_gpu=0,
        mem_mb=memory("wrong_responses"),
        runtime=REQUESTS["wrong_responses"].runtime,
    params:
        spec=lambda wildcards: dump_json(jobs.redistilled_spec(config, wildcards.run)),
        code=code.fingerprint(code.redistilled(config)),
    shell:
        "python -m red data redistilled --gpus {resources.gpu:q} --spec {params.spec:q}"
        " --prompts {input.prompts:q} --model {input.model:q} --workers {threads:q}"
        " --out {output.rows:q} > {log:q} 2>&1"


rule benchmark:
    input:
        lambda wildcards: jobs.benchmark_files(config, wildcards.benchmark),
    output:
        ensure("<results>/data/benchmarks/{benchmark}.jsonl", non_empty=True),
    log:
        "<logs>/data/benchmarks/{benchmark}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        spec=lambda wildcards: dump_json(
            jobs.problems_spec(config, wildcards.benchmark)
        ),
        code=lambda wildcards: code.fingerprint(
            code.benchmark(config, wildcards.benchmark)
        ),
    shell:
        "python -m red data benchmark --name {wildcards.benchmark:q}"
        " --spec {params.spec:q} --out {output:q} > {log:q} 2>&1"
