"""The zoo: real architectures built from their configurations, with sample inputs."""
