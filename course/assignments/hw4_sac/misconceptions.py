"""Mistakes that students make in hw4_sac."""

from course.bank import Misconception

MISCONCEPTIONS = [
    Misconception(
        todo="SoftActorCritic.critic_loss",
        name="mean over critics",
        hint="Every critic is trained on its own error: what happens to each one's gradient when "
        "there are more critics?",
        body="""
            q_values = self.critics(observations, actions)
            loss = squared_td_loss(q_values, targets, weights) / len(q_values)
            return loss, {
                "critic/loss": loss,
                "critic/q_values": q_values.detach().mean(),
                "critic/target_values": targets.mean(),
                "td_errors": (q_values.detach() - targets).abs().mean(dim=0),
            }
        """,
    ),
]
