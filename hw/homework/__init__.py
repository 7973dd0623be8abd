"""What a student's own check and the instructor's grader share."""
