"""Homework 4: soft actor-critic."""
