"""What `import atft_core` offers, one file per kind of thing; loaded when it is first asked for."""
