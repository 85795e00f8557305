"""The engine: one module per arrow of the picture, useful without any window.

Hub checkpoint → tokenizer → input_ids + attention_mask → model → logits and hidden states (forward) or new token
ids (generate) → text; rows of data → Trainer → a new checkpoint. Nothing here imports Qt, and torch, transformers,
tokenizers, datasets and huggingface_hub are imported inside functions, so that importing a module costs nothing.
"""
