"""PhotoMaker (arXiv 2312.04461): the likeness of photos, fused into the class word of a prompt.

    rules      the trigger word and the merge step, checked before a run; no torch
    encoder    the ID encoder's modules under the published key names, at any width
    state      which encoder a file's tensors make, and their strict loading
    likeness   the reversible patch: LoRA on, prompt embeddings with and without the likeness, LoRA off
"""
