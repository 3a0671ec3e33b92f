"""Tests of rules, profiles and how they are asked."""
