"""RED's loss in a plain PyTorch loop: a small network learns to add two digits.

    python examples/pytorch_loop.py

Each step samples seven answers to each of eight sums, adds a teacher's answer as the eighth member of the group, and
takes one update. Another method is another name: `method("luffy")`, `method("srft")`.
"""

import torch
from torch import Tensor, nn

from red import Batch, Members, WeightSchedule, loss, method, plan, step_entropy

DIGITS, END = 10, 10  # tokens 0 to 9, and the end of an answer
GROUP, SUMS, LENGTH = 8, 8, 3  # an answer is at most two digits and END


class Adder(nn.Module):
    """Reads two digits and the answer so far; gives the logits of the next token."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(END + 1, 32)
        self.state = nn.Sequential(nn.Linear(64, 64), nn.Tanh())
        self.cell = nn.GRU(32, 64, batch_first=True)
        self.head = nn.Linear(64, END + 1)

    def forward(self, question_s2: Tensor, answer_st: Tensor) -> Tensor:
        """Logits (S, T, V) of every token of the answers; the first comes from the question alone."""
        start = self.state(self.embedding(question_s2).flatten(1))[None]
        before = torch.cat([question_s2[:, 1:], answer_st[:, :-1]], dim=1)
        return self.head(self.cell(self.embedding(before), start)[0])


@torch.no_grad()
def sample(model: Adder, question_s2: Tensor) -> Tensor:
    """Answers (S, LENGTH), drawn token by token."""
    answer = torch.full((len(question_s2), LENGTH), END)
    for t in range(LENGTH):
        answer[:, t] = model(question_s2, answer)[:, t].softmax(-1).multinomial(1)[:, 0]
    return answer


def taught(question_s2: Tensor) -> Tensor:
    """The teacher's answers (S, LENGTH): the digits of the sum, then END."""
    answers = [[*map(int, str(a + b)), END] for a, b in question_s2.tolist()]
    return torch.tensor([answer + [END] * (LENGTH - len(answer)) for answer in answers])


def is_right(question_s2: Tensor, answer_st: Tensor) -> Tensor:
    """1.0 where an answer is the teacher's up to END; (S,)."""
    return (answer_st == taught(question_s2)).all(dim=1).float()


def counted(answer_st: Tensor) -> Tensor:
    """1.0 on the tokens up to the first END; (S, T)."""
    return (((answer_st == END).cumsum(1) - (answer_st == END).long()) == 0).float()


def train(steps: int = 400, name: str = "red", seed: int = 0) -> list[float]:
    """Accuracy of the rollouts, by step."""
    torch.manual_seed(seed)
    model = Adder()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    spec = method(name).objective.resolved(max_new_tokens=LENGTH)
    schedule = WeightSchedule(spec.weight)
    accuracies = []
    for step in range(steps):
        question = torch.randint(DIGITS, (SUMS, 2)).repeat_interleave(GROUP, dim=0)
        demonstration = torch.arange(len(question)) % GROUP == GROUP - 1
        answer = torch.where(demonstration[:, None], taught(question), sample(model, question))
        accuracy, mask = is_right(question, answer), counted(answer)
        members = Members(
            group_s=torch.arange(SUMS).repeat_interleave(GROUP),
            demonstration_s=demonstration,
            reward_s=accuracy,
            accuracy_s=accuracy,
            tokens_s=mask.sum(dim=1),
        )

        distribution = model(question, answer).log_softmax(-1)
        logp = distribution.gather(2, answer[:, :, None])[:, :, 0]
        entropy = -(distribution.exp() * distribution).sum(-1)
        # One update per step: the policy that sampled is the one that learns.
        batch = Batch(logp, logp.detach(), entropy, mask)
        w = schedule.step(step, step_entropy(entropy, mask, ~demonstration, demonstration)).w

        optimizer.zero_grad()
        loss(batch, spec, plan(members, spec, w)).total.backward()
        optimizer.step()
        accuracies.append(accuracy[~demonstration].mean().item())
    return accuracies


if __name__ == "__main__":
    curve = train()
    for first in range(0, len(curve), 40):
        print(f"steps {first:3} to {first + 39:3}: {100 * sum(curve[first : first + 40]) / 40:5.1f} % right")
