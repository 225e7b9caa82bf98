; SPDX-License-Identifier: BSD-2-Clause-Patent
; Where further vCPUs wait for the payload (boot/boot_info.h, struct vestibule_ap_mailbox): in AP reset
; hold by the MSR protocol, which needs no GHCB page. Each is started in 64-bit mode on the page tables
; that the first one began on (igvm/image/build.cpp), at the first SIPI or whenever the hypervisor
; likes: so nothing is looked at but measured memory until the first vCPU has been here.
%include "guest_asm.inc"

        bits    64
        default rel
        section .text

        extern  ap_mailbox

; SSE on: CR0.MP and not EM, CR4.OSFXSR and OSXMMEXCPT.
%macro  turn_on_sse 0
        mov     rdx, cr0
        and     edx, ~(1 << 2)
        or      edx, 1 << 1
        mov     cr0, rdx
        mov     rdx, cr4
        or      edx, 3 << 9
        mov     cr4, rdx
%endmacro

        global  entry_ap
entry_ap:
        cli
        cld
        mov     rax, [ap_tables]
        test    rax, rax
        jz      .hold
        mov     cr3, rax                ; the first vCPU's, on which the mailbox is what it wrote
        lea     rbx, [ap_mailbox]
        xor     eax, eax
        xchg    rax, [rbx + AP_MAILBOX_ENTRY] ; one vCPU takes it, however many are woken
        test    rax, rax
        jnz     .go
.hold:
        mov     ecx, MSR_GHCB
        mov     eax, AP_RESET_HOLD
        xor     edx, edx
        wrmsr
        db      0xF3, 0x0F, 0x01, 0xD9  ; VMGEXIT: returns at INIT and SIPI, whatever it answers
        jmp     entry_ap
.go:
        turn_on_sse
        mov     rdi, [rbx + AP_MAILBOX_ARGUMENT]
        mov     rsp, [rbx + AP_MAILBOX_STACK]
        lock inc qword [rbx + AP_MAILBOX_TAKEN]
        xor     ebp, ebp
        push    0                       ; a function that must not return
        jmp     rax

; void open_aps(u64 cr3): vCPUs that wait look at the mailbox from now on. Writes to a page of code.
        global  open_aps
open_aps:
        mov     rax, cr0
        mov     rdx, rax
        btr     rax, 16                 ; CR0.WP
        mov     cr0, rax
        mov     [ap_tables], rdi
        mov     cr0, rdx
        ret

; void enable_sse(): what the System V ABI's code expects of a CPU (APM volume 2, section 11.3).
        global  enable_sse
enable_sse:
        turn_on_sse
        ret

        align   8
ap_tables:
        dq      0
