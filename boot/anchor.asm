; SPDX-License-Identifier: BSD-2-Clause-Patent
; A reference to the stub in a section that linker/stub.ld throws away: the linker then takes the whole
; stub out of its archive before it looks into those for SEV-SNP. What templates make for both lies in
; the pages of whoever comes first, and those for SEV-SNP are not in every file.
        section .note.anchor progbits noalloc
        extern  entry64
        dq      entry64
