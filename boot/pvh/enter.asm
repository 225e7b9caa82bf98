; SPDX-License-Identifier: BSD-2-Clause-Patent
; Enters a kernel as PVH's boot ABI says (Xen's docs/misc/pvh.pandoc): 32-bit protected mode without
; paging, flat segments, EBX = the start info. Entered itself by the stub in 64-bit mode, with boot
; info in RDI, on the stub's tables and its #VC handler.
;
; Without paging all memory is private, so a GHCB page cannot be shared, and the stub's handler is of
; no use. What serves #VC from there on is the handler of 32-bit entries (boot/legacy): CPUID by the
; MSR protocol, anything else ends the guest by a code. It is code and stack of this binary, and so
; stays as long as the kernel leaves this memory alone.
%include "guest_asm.inc"

TASK_SELECTOR   equ     4 * 8
STACK_SIZE      equ     1024

        bits    64
        default rel
        org     0

start:
        jmp     near begin
        times   PVH_RECORD_ENTRY - ($ - start) db 0
entry:  dd      0                       ; boot/pvh/record.h
start_info:
        dd      0
        times   PVH_RECORD_SIZE - ($ - start) db 0

begin:
        mov     esi, [rdi + BOOT_INFO_PLATFORM]
        mov     ecx, MSR_EFER           ; if this is a #VC, there still is a handler for it
        rdmsr
        and     eax, ~(EFER_LME | EFER_LMA | EFER_NXE)
        mov     edi, eax                ; its upper half is reserved
        lea     rbx, [start]            ; below 4 GiB, as all that the stub maps
        lea     rsp, [stack_top]
        lea     rax, [gdt]
        sub     rsp, 16
        mov     word [rsp], gdt.end - gdt - 1
        mov     [rsp + 2], rax
        lgdt    [rsp]                   ; the stub's gates find its code segment in it
        add     rsp, 16
        push    CODE32_SELECTOR         ; the far return's CS,
        lea     rax, [compatibility_mode]
        push    rax                     ; and its RIP
        retfq

        bits    32
compatibility_mode:
        mov     eax, DATA_SELECTOR
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     fs, eax
        mov     gs, eax
; From the MOV to CR0 to the LIDT in boot::legacy::install_handlers the IDT is the stub's, of 16-byte
; gates that legacy mode does not understand. Nothing in between needs a hypervisor's help: CR0, CR4
; and EFER have traps for SEV-ES, which are automatic exits (APM volume 2, section 15.35), moves,
; pushes and calls cannot be intercepted, and the memory is private in either mode.
        mov     eax, CR0_PE | CR0_ET
        mov     cr0, eax                ; 32-bit legacy mode
        mov     ecx, MSR_EFER           ; before CR4: QEMU 7.2, when a nested guest exits that has
        mov     eax, edi                ; EFER.LME without CR4.PAE, loses the CR0 of its hypervisor
        xor     edx, edx
        wrmsr
        xor     eax, eax
        mov     cr4, eax
        mov     eax, esi                ; arguments in EAX, EDX: the platform,
        lea     edx, [ebx + handlers - start]
        call    legacy_code             ; and memory for the handlers
        mov     eax, TASK_SELECTOR
        ltr     ax
        mov     eax, [ebx + entry - start]
        mov     ebx, [ebx + start_info - start]
        jmp     eax                     ; a #VC before it has a stack of its own is on this one

        align   16, db 0
legacy_code:                            ; its entry is its first byte (linker/legacy.ld)
        incbin  LEGACY_CODE

        align   8, db 0
gdt:
        dq      0                       ; with the selectors of the stub's own table (boot/gdt.h)
        dq      CODE64_SEGMENT
        dq      DATA_SEGMENT
        dq      CODE32_SEGMENT
        dq      TASK32_SEGMENT
.end:

        align   8, db 0
handlers:
        times   LEGACY_HANDLERS_SIZE db 0
        align   16, db 0
        times   STACK_SIZE db 0
stack_top:
