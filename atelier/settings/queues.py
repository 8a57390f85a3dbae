"""Which worker does what: the queues of background work, and the tasks that are not for `default`.

A worker without `--queues` takes all four, as the embedded default does. Apart, each can be given what it
needs: `encode` holds the encoder in memory, `generate` waits for vendors, `import` decodes files.
"""

from kombu import Exchange, Queue

ENCODE, GENERATE, IMPORT, DEFAULT = "encode", "generate", "import", "default"

CELERY_TASK_QUEUES = [
    # Each with an exchange of its own: on a common one they would all get what is meant for one.
    Queue(name, Exchange(name), routing_key=name)
    for name in (DEFAULT, ENCODE, GENERATE, IMPORT)
]
CELERY_TASK_DEFAULT_QUEUE = DEFAULT
CELERY_TASK_ROUTES = {
    name: {"queue": queue}
    for queue, names in {
        ENCODE: (
            "search.tasks.drain_outbox",
            "search.tasks.sweep",
            "search.tasks.evaluate",
            "search.tasks.evaluate_changed",
            "generation.tasks.score_results",
        ),
        GENERATE: (
            "generation.tasks.run_job",
            "generation.tasks.run_items",
            "generation.tasks.run_batches",
            "generation.tasks.sweep",
        ),
        IMPORT: (
            "dam.tasks.run_import",
            "dam.tasks.sweep_imports",
            "dam.tasks.run_bulk_edit",
            "dam.tasks.sweep_bulk_edits",
            "dam.tasks.sweep_uploads",
            "dam.tasks.look_for_duplicates",
        ),
    }.items()
    for name in names
}
