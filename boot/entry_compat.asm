; The first instructions of the guest in 32-bit compatibility mode (EFER.LMA = 1, CS.L = 0), as a
; loader leaves it that switched long mode on but not to 64-bit code.
;
; On entry (igvm/initial_state.h): flat 32-bit segments, the page tables of the 64-bit entry, EBX =
; the image's address, interrupts off. No GDT, no IDT, no stack.
;
; The window: from the first instruction to the LIDT in boot::install_early_handlers there is no IDT,
; and a #VC would be the end. Until the far return it could not be served from here in any case but
; by 64-bit code behind 16-byte gates, for in long mode handlers are 64-bit. So this code leaves for
; 64-bit mode at once. None of its instructions can raise #VC: moves, pushes, LGDT (an intercept that
; SEV-ES has no event for) and a far return, all within the image's own memory. Code that comes back
; to compatibility mode later finds the handlers there and is served by them.
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
