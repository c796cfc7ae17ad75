# One rule for every method and engine. The job keeps its state in state/, which is not an output:
# Snakemake deletes the outputs of a killed job, and the next attempt continues from the state. It also deletes the log before
# each attempt: so the log is a link, and what it leads to holds all attempts.
rule train:
    input:
        unpack(lambda wildcards: paths.w_log(config, wildcards.run, wildcards.seed)),
        unpack(lambda wildcards: paths.teacher(config, wildcards.run)),
        parent=lambda wildcards: paths.parent(config, wildcards.run, wildcards.seed),
        prompts="<results>/data/prompts.jsonl",
        demonstrations=lambda wildcards: paths.demonstrations(
            config, wildcards.run, wildcards.seed
        ),
    output:
        checkpoint=directory("<results>/runs/{run}/seed{seed}/checkpoint"),
        snapshots=directory("<results>/runs/{run}/seed{seed}/snapshots"),
        metrics=ensure("<results>/runs/{run}/seed{seed}/metrics.jsonl", non_empty=True),
        provenance="<results>/runs/{run}/seed{seed}/provenance.json",
    log:
        "<logs>/train/{run}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train/{run}/seed{seed}.tsv"
    retries: REQUESTS["train"].retries
    conda:
        "../environment.yml"
    threads: REQUESTS["train"].threads
    resources:
        gpu=lambda wildcards: (
            gpus_of_node(wildcards) if is_on_one_node(wildcards) else 0
        ),
        # A step of one task, as Snakemake starts it, cannot hold GPUs counted over several nodes.
        gres=lambda wildcards: (
            "" if is_on_one_node(wildcards) else f"gpu:{gpus_of_node(wildcards)}"
        ),
        nodes=lambda wildcards: run_spec(wildcards).cluster.nodes,
        tasks_per_gpu=0,
        mem_mb=memory("train"),
        runtime=lambda wildcards, attempt: estimates.training_minutes(
            run_spec(wildcards), REQUESTS, attempt
        ),
    params:
        spec=lambda wildcards: dump_json(jobs.training_spec(run_spec(wildcards))),
        code=lambda wildcards: code.fingerprint(code.training(run_spec(wildcards))),
        start=lambda wildcards, input: paths.start(config, wildcards.run, input.parent),
        w_log=lambda wildcards, input: (
            ["--w-log", input.w_log] if "w_log" in input.keys() else []
        ),
        teacher=lambda wildcards, input: (
            ["--teacher", input.teacher] if "teacher" in input.keys() else []
        ),
        folder=subpath(output.provenance, parent=True),
    shell:
        "ln -sf seed{wildcards.seed:q}.attempts.log {log:q}"
        " && echo \"== started $(date '+%F %T')\" >> {log:q}"
        " && python -m red train --gpus {resources.gpu:q} --spec {params.spec:q} --code {params.code:q}"
        " --parent {params.start:q} --prompts {input.prompts:q}"
        " --demonstrations {input.demonstrations:q} {params.w_log:q} {params.teacher:q}"
        " --out {params.folder:q} >> {log:q} 2>&1"
