; SPDX-License-Identifier: BSD-2-Clause-Patent
; The AP jump table of a Linux or PVH kernel that igvmtool has placed (boot/jump_table/record.h), with the
; code around it: the first vCPU comes through here on its way to the kernel and tells the hypervisor where
; the table is; each further one follows it. Placed at one address, for SEV-ES guests alone.
%include "guest_asm.inc"

CODE32          equ     0x20            ; behind what enter_linux's table has (boot/hand_over)
CODE16          equ     0x28
DATA16          equ     0x30

        bits    64
        default rel
        org     JUMP_TABLE_PAGE

page:
table:  dw      0, 0                    ; IP and CS, the kernel's to fill in
        dd      0
entry:  dd      0
zero_page:
        dd      0

; As a payload: RDI = boot info. The stub's stack, its #VC handler and its GHCB are there.
begin:
        mov     ebx, [rdi + BOOT_INFO_AP_MAILBOX] ; below 4 GiB, as all that the stub maps
        test    ebx, ebx
        jz      .kernel                 ; nobody waits
; The call "AP jump table, set". A hypervisor that does not know it has a guest with one processor.
        mov     rsi, [rdi + BOOT_INFO_GHCB_GPA]
        movzx   eax, word [rdi + BOOT_INFO_GHCB_VERSION]
        mov     [rsi + GHCB_PROTOCOL_VERSION], ax
        xor     eax, eax
        mov     [rsi + GHCB_USAGE], eax
        mov     [rsi + GHCB_EXITINFO1], rax ; set
        mov     eax, page
        mov     [rsi + GHCB_EXITINFO2], rax
        mov     eax, EXIT_AP_JUMP_TABLE
        mov     [rsi + GHCB_EXITCODE], rax
        mov     rax, GHCB_VALID_CALL_HIGH
        mov     [rsi + GHCB_VALID_BITMAP + 8], rax
        mov     rdx, rsi
        shr     rdx, 32
        mov     eax, esi
        mov     ecx, MSR_GHCB
        wrmsr
        rep vmmcall                     ; VMGEXIT
        xor     eax, eax                ; nothing valid is left to who executes another one
        mov     [rsi + GHCB_VALID_BITMAP + 8], rax
; The first one to be woken finds this in the mailbox.
        lea     rax, [stack_top]
        mov     [rbx + AP_MAILBOX_STACK], rax
        lea     rax, [follow]
        mov     [rbx + AP_MAILBOX_ENTRY], rax
        mov     [mailbox], ebx
.kernel:
        lgdt    [gdtr]                  ; the rest is boot/hand_over/enter_linux.asm's
        mov     eax, 0x18
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     eax, [entry]            ; RDI is the boot info still, for boot/pvh/enter.asm
        mov     esi, [zero_page]
        push    0x10
        push    rax
        retfq

; A further vCPU, out of the mailbox. It puts the same there for the next one: kernels of SEV-ES guests
; start one after another, since none can pass another one's way through real mode.
follow:
        mov     ebx, [mailbox]
        lea     rax, [follow]
        mov     [rbx + AP_MAILBOX_ENTRY], rax
.look:
        mov     eax, [table]
        test    eax, eax
        jnz     .go
        mov     ecx, MSR_GHCB           ; woken by somebody who has no place for it yet
        mov     eax, AP_RESET_HOLD
        xor     edx, edx
        wrmsr
        rep vmmcall
        jmp     .look
.go:
        lgdt    [gdtr]
        lidt    [real_idtr]
        jmp     far dword [to_compat]   ; m16:32

        bits    32
compat:
        mov     eax, 0x18
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     eax, CR0_PE | CR0_ET
        mov     cr0, eax                ; paging off: all memory is private
        mov     ecx, MSR_EFER           ; before CR4, as in boot/pvh/enter.asm
        xor     eax, eax
        xor     edx, edx
        wrmsr
        mov     cr4, eax
        jmp     CODE16:protected16 - page

        bits    16
protected16:
        mov     ax, DATA16              ; with the limits that real mode has
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     fs, ax
        mov     gs, ax
        mov     eax, CR0_ET
        mov     cr0, eax
        jmp     JUMP_TABLE_PAGE >> 4:real - page
real:
        mov     ax, cs
        mov     ds, ax
        jmp     far [cs:table - page]

        align   8, db 0
gdt:
        dq      0
        dq      CODE64_SEGMENT          ; 0x08: where the stub's gates lead
        dq      CODE64_SEGMENT          ; 0x10: __BOOT_CS
        dq      DATA_SEGMENT            ; 0x18: __BOOT_DS
        dq      CODE32_SEGMENT
        dq      0x00009B000000FFFF | JUMP_TABLE_PAGE << 16 ; 16-bit code of this page,
        dq      0x000093000000FFFF      ; and data
.end:
gdtr:   dw      gdt.end - gdt - 1
        dq      gdt
real_idtr:
        dw      0x3FF
        dq      0
to_compat:
        dd      compat
        dw      CODE32
        align   4, db 0
mailbox:
        dd      0
        align   16, db 0
        times   64 db 0
stack_top:
