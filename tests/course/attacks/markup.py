"""35 HTML, terminal codes and a formula in an exception's message.

Tiers: best
"""


def max_values(q_values):
    raise ValueError("<script>alert(1)</script>\x1b[31m\x07=HYPERLINK(1)\u202e\ud800 ]]>{{x}}")
