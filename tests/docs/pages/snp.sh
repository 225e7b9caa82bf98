# docs/snp.md takes nothing for granted.
