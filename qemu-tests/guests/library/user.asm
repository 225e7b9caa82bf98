; SPDX-License-Identifier: BSD-2-Clause-Patent
; To user mode and back, and instructions with registers that C++ has no hold of.
%include "guest_asm.inc"

        bits    64
        default rel
        section .text

; void enter_user(u64 rip, u64 rsp, u64 cs, u64 ss, u64 rflags, u64* rax_rdx): user code there, which
; ends by INT 0x80; RAX and RDX go in and come out by way of *rax_rdx.
        global  enter_user
enter_user:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        push    r9
        mov     [kernel_rsp], rsp
        push    rcx                     ; SS
        push    rsi                     ; RSP
        push    r8                      ; RFLAGS
        push    rdx                     ; CS
        push    rdi                     ; RIP
        mov     rax, [r9]
        mov     rdx, [r9 + 8]
        iretq

        global  leave_user_entry
leave_user_entry:
        cmp     qword [kernel_rsp], 0   ; nobody has entered: it is the hypervisor's (Heckler)
        je      leave_user_unmeant
        mov     rsp, [kernel_rsp]
        mov     qword [kernel_rsp], 0
        pop     r9
        mov     [r9], rax
        mov     [r9 + 8], rdx
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

; Vectors that no device of this machine has: they come from a hypervisor, or from INT in user code. One
; entry a vector, 8 bytes apart (machine.cpp), and none of them returns.
        extern  unmeant_interrupt
        align   8
        global  interrupt_entries
interrupt_entries:
%assign vector 32
%rep    224
        align   8
        push    byte vector - 0x80      ; so that it is one byte of code
        jmp     near unmeant_common
%assign vector vector + 1
%endrep

leave_user_unmeant:
        push    byte 0
unmeant_common:
        mov     edi, [rsp]
        add     edi, 0x80
        cld
        and     rsp, -16
        call    unmeant_interrupt

; void cpuid_without_stack(u32* leaf_to_eax): CPUID while RSP leads nowhere.
        global  cpuid_without_stack
cpuid_without_stack:
        push    rbx
        mov     r8, rsp
        mov     r9, rdi
        mov     eax, [rdi]
        xor     ecx, ecx
        mov     esp, 0x123
        cpuid
        mov     rsp, r8
        mov     [r9], eax
        mov     [r9 + 4], ebx
        mov     [r9 + 8], ecx
        mov     [r9 + 12], edx
        pop     rbx
        ret

; u64 rdmsr_of(u32 msr, u64 rsp): RDMSR with that stack; the instruction is at rdmsr_here. RDX:RAX, which
; are 0x22222222 and 0x11111111 before.
        global  rdmsr_of
        global  rdmsr_here
rdmsr_of:
        mov     r8, rsp
        mov     rsp, rsi
        mov     ecx, edi
        mov     eax, 0x11111111
        mov     edx, 0x22222222
        stc
rdmsr_here:
        rdmsr
        mov     rsp, r8
        shl     rdx, 32
        or      rax, rdx
        ret

        section .bss
        align   8
kernel_rsp:
        resq    1
