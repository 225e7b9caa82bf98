; SPDX-License-Identifier: BSD-2-Clause-Patent
; The first instructions of the guest in 32-bit compatibility mode (EFER.LMA = 1, CS.L = 0), as a
; loader leaves it that switched long mode on but not to 64-bit code.
;
; On entry (igvm/image/initial_state.h): flat 32-bit segments, the page tables of the 64-bit entry, EBX =
; the image's address, interrupts off. No GDT, no IDT, no stack.
;
; The window: from the first instruction to the LIDT in boot::install_early_handlers there is no IDT,
; and a #VC would be a shutdown. In long mode only 64-bit code behind 16-byte gates could serve one,
; whatever it interrupts, so this code leaves for 64-bit mode at once and the handlers are installed
; there. Nothing here has a hypervisor's help: moves, pushes and a far return cannot be intercepted,
; all memory is the image's own, and LGDT and LIDT have no place in the GHCB protocol; a hypervisor
; that intercepts them shuts its guest down, as it can at any time. Code that comes back to
; compatibility mode later is served by those handlers.
%include "guest_asm.inc"
%include "boot/gdt32.inc"

        bits    32
        extern  stack_top_offset
        extern  entry64_offset

        section .text.entry_compat progbits alloc exec nowrite align=16
        global  entry_compat
entry_compat:
        cld                             ; assume nothing
        lea     esp, [ebx + stack_top_offset]
        load_gdt32
        push    dword CODE64_SELECTOR   ; the far return's CS,
        lea     eax, [ebx + entry64_offset]
        push    eax                     ; and its EIP
        retf                            ; to 64-bit mode; entry64 starts its stack afresh
