# One rule for every method and engine. The job keeps its state in state/, which is not an output:
# Snakemake deletes the outputs of a killed job, and the next attempt continues from the state.
rule train:
    input:
        unpack(w_log),
        parent=parent,
        prompts="<results>/data/prompts.jsonl",
        demonstrations=demonstrations,
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
        "../../environment.yml"
    threads: REQUESTS["train"].threads
    resources:
        gpu=training_gpus,
        nodes=training_nodes,
        tasks_per_gpu=0,
        mem_mb=memory("train"),
        runtime=training_minutes,
    params:
        spec=training_spec,
        code=training_code,
        start=start,
        w_log=w_log_option,
        folder=subpath(output.provenance, parent=True),
    shell:
        "python -m red train --spec {params.spec:q} --code {params.code}"
        " --parent {params.start} --prompts {input.prompts}"
        " --demonstrations {input.demonstrations} {params.w_log}"
        " --out {params.folder} > {log} 2>&1"
