"""Homework 3: deep Q-learning."""
