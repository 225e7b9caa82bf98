# SPDX-License-Identifier: BSD-2-Clause-Patent
# What docs/examiner.md takes for granted: the images, where the reader stands.
before 'sevsim run examiner.igvm --allow all' 'cp "$(dirname "$(command -v sevsim)")"/../share/vestibule/examiner.* .'
