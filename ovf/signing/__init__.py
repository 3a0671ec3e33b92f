"""Signing packages, and verifying what others signed: manifest, certificate, chain of trust."""
