; SPDX-License-Identifier: BSD-2-Clause-Patent
; VMRUN and what it does not do: the registers that are not in the VMCB (APM volume 2, section 15.5).
%include "monitor_asm.inc"

        bits    64
        default rel
        section .text

; void enter_guest(GuestRegisters& registers, u64 vmcb_physical, u64 takes_interrupts): where the last is not
; 0, interrupts that come while the guest runs are the monitor's (svm.h, v_intr_masking).
        global  enter_guest
enter_guest:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        push    rdi
        test    edx, edx                ; the flag holds until the guest is entered
        rdtsc                           ; counts instructions where QEMU was told so (profile.cpp)
        mov     [rdi + GUEST_ENTERED_AT], eax
        mov     [rdi + GUEST_ENTERED_AT + 4], edx
        mov     rax, rsi
        mov     rcx, [rdi + GUEST_RCX]
        mov     rdx, [rdi + GUEST_RDX]
        mov     rbx, [rdi + GUEST_RBX]
        mov     rbp, [rdi + GUEST_RBP]
        mov     rsi, [rdi + GUEST_RSI]
        mov     r8, [rdi + GUEST_R8]
        mov     r9, [rdi + GUEST_R9]
        mov     r10, [rdi + GUEST_R10]
        mov     r11, [rdi + GUEST_R11]
        mov     r12, [rdi + GUEST_R12]
        mov     r13, [rdi + GUEST_R13]
        mov     r14, [rdi + GUEST_R14]
        mov     r15, [rdi + GUEST_R15]
        mov     rdi, [rdi + GUEST_RDI]
        jz      guest_vmrun
        sti                             ; in force behind the next instruction, so in the guest
        global  guest_vmrun             ; where a debugger waits for the guest
guest_vmrun:
        vmrun
        cli
        push    rdi
        mov     rdi, [rsp + 8]
        mov     [rdi + GUEST_RDX], rdx
        rdtsc
        mov     [rdi + GUEST_LEFT_AT], eax
        mov     [rdi + GUEST_LEFT_AT + 4], edx
        mov     [rdi + GUEST_RCX], rcx
        mov     [rdi + GUEST_RBX], rbx
        mov     [rdi + GUEST_RBP], rbp
        mov     [rdi + GUEST_RSI], rsi
        mov     [rdi + GUEST_R8], r8
        mov     [rdi + GUEST_R9], r9
        mov     [rdi + GUEST_R10], r10
        mov     [rdi + GUEST_R11], r11
        mov     [rdi + GUEST_R12], r12
        mov     [rdi + GUEST_R13], r13
        mov     [rdi + GUEST_R14], r14
        mov     [rdi + GUEST_R15], r15
        pop     rax
        mov     [rdi + GUEST_RDI], rax
        pop     rdi
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        cld                             ; the guest's direction flag is not ours
        ret

; void load_guest_segments(u64 vmcb_physical): what VMLOAD moves. The monitor uses none of it, so
; once is enough.
        global  load_guest_segments
load_guest_segments:
        mov     rax, rdi
        vmload
        ret

; void save_guest_segments(u64 vmcb_physical): the reverse, by VMSAVE.
        global  save_guest_segments
save_guest_segments:
        mov     rax, rdi
        vmsave
        ret
