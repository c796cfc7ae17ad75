"""Runs inside vLLM's worker processes: new weights into the running model."""


class WeightSwap:
    """Mixed into vLLM's worker, whose attribute `model_runner` it uses."""

    def swap_weights(self, checkpoint: str) -> None:
        """Load the weights of another checkpoint of the same architecture in place.

        On a CPU vLLM keeps a repacked copy of the output layer beside its weights. `reload_weights`
        does not renew the copy of a tied layer, so it is made again here; elsewhere this does nothing.
        """
        self.model_runner.reload_weights(weights_path=checkpoint)  # type: ignore[attr-defined]
        head = getattr(self.model_runner.get_model(), "lm_head", None)  # type: ignore[attr-defined]
        if head is not None and hasattr(head, "cpu_linear"):
            head.quant_method.process_weights_after_loading(head)
