"""Correct solutions of hw4_sac that are written otherwise than the reference."""

from course.bank import Variant

VARIANTS = [
    Variant(
        todo="SoftActorCritic.critic_loss",
        name="a loop over critics",
        body="""
            q_values = self.critics(observations, actions)
            loss = 0.0
            for k in range(len(q_values)):
                squared = (q_values[k] - targets[k]) ** 2
                loss = loss + (squared if weights is None else squared * weights).mean()
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs().mean(dim=0),
            }
        """,
    ),
]
