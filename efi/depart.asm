; SPDX-License-Identifier: BSD-2-Clause-Patent
; From the firmware's world to the stub's entry point. These instructions are copied behind the stub's
; image, into the one region that is mapped to itself before and after (boot/initial_tables.h), and
; run there once boot services have ended; no address in them is fixed.
;
; In: RCX = the region, whose first page is the new page tables; RDX = the stub's entry point.
; Out: the state that boot/entry_state.h describes.
;
; Nothing here raises #VC: what an SEV-ES guest writes to control registers and to EFER is among the
; automatic exits (APM volume 2, section 15.35, "Automatic Exits"), of which it sees nothing. Of the
; rest only the loads of descriptor tables can be intercepted, for which the GHCB protocol has no
; event, so a hypervisor that does it only ends its guest. That matters from LGDT on, when the
; firmware's handler has lost its code segment.

%include "guest_asm.inc"

        bits    64
        default rel

        section .text
        global  depart_start
        global  depart_end
depart_start:
        cli
        cld
        mov     r8, rdx
        mov     ecx, ecx                ; below 4 GiB
        mov     r9, rcx

        mov     ecx, MSR_EFER           ; no-execute is on before there are tables that use it
        mov     eax, PAGING_EFER
        xor     edx, edx
        wrmsr

        sub     rsp, 16                 ; the firmware's stack is still there
        mov     word [rsp], gdt.end - gdt - 1
        lea     rax, [gdt]
        mov     [rsp + 2], rax
        lgdt    [rsp]
        mov     word [rsp], 0           ; its handlers are not, from here on: an exception now ends
        lidt    [rsp]                   ; the guest instead of jumping into what they were
        mov     eax, DATA_SELECTOR
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        lldt    ax
        push    CODE64_SELECTOR
        lea     rax, [.own_segment]
        push    rax
        retfq
.own_segment:
        mov     eax, PAGING_CR4         ; without PGE: what the firmware mapped globally goes
        mov     cr4, rax
        mov     cr3, r9
        mov     eax, PAGING_CR0
        mov     cr0, rax
        jmp     r8                      ; it has a stack of its own

        align   8
gdt:
        dq      0
        dq      CODE64_SEGMENT          ; with the selectors that the stub's own table gives them
        dq      DATA_SEGMENT            ; (boot/gdt.h)
.end:
depart_end:
