"""Judging packages: rules and profiles declared, chosen, asked, and their findings placed."""
