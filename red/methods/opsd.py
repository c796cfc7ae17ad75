"""OPSD: on-policy distillation from oneself, who has seen the demonstration (arXiv 2601.18734).

L = -token_mean(r A), A = log pi_0(token | prompt, demonstration, prompt) - log pi_old(token | prompt), pi_0 the policy
before training. The demonstration is context, never learned. This is the sampled form of its source, whose main loss
compares whole distributions.
"""

from dataclasses import replace

from red.methods import opd
from red.methods.base import Teacher

METHOD = replace(opd.METHOD, teacher=Teacher(who="itself"))
