; SPDX-License-Identifier: BSD-2-Clause-Patent
; Firmware that reads and writes every control register, and the debug registers that raise no #VC, by
; every instruction that does, in every mode of the CPU, and finds them to be what it wrote (APM volume 3,
; MOV CRn, MOV DRn, SMSW, LMSW, CLTS). An SEV-ES guest does so unseen (APM volume 2, section 15.35.4). It
; ends by a termination request: SELFTEST_PASSED, or SELFTEST_FAILED with mode and step in EBP.
        cpu     x64
IMAGE   equ     0xFFFF0000              ; up to 4 GiB; the reset vector lies in its last 16 bytes
        org     IMAGE

STACK   equ     0x7000
WORD_AT equ     0x7100                  ; for operands in memory
TRAPS   equ     0x7110                  ; how many exceptions were taken
RESUME  equ     0x7114                  ; where the code goes on behind one
TABLES  equ     0x10000                 ; legacy: a directory of 4 MiB pages
PAE     equ     0x11000                 ; four pointers, to directories of 2 MiB pages
PAE_DIR equ     0x12000
LEVEL_4 equ     0x16000                 ; level 4, level 3, and directories with the C-bit
LEVEL_3 equ     0x17000
LEVEL_2 equ     0x18000
IDT     equ     0x1C000
C_BIT_HIGH equ  1 << (47 - 32)
SELFTEST_PASSED equ 0x00F02100          ; termination requests (ghcb/termination.h)
SELFTEST_FAILED equ 0x00F12100

CODE32  equ     0x08
DATA    equ     0x10
CODE16  equ     0x18
CODE64  equ     0x20

%macro step 1
        mov     ebp, (MODE << 8) | %1
%endmacro

; expect REGISTER, VALUE
%macro expect 2
        cmp     %1, %2
        jne     failed_%[MODE]
%endmacro

%macro terminate 1
        mov     ecx, 0xC0010130         ; the GHCB MSR
        mov     eax, %1
        xor     edx, edx
        wrmsr
        db      0xF3, 0x0F, 0x01, 0xD9  ; VMGEXIT
%endmacro

; Every check for one mode: checks NUMBER, BITS, CR3's value. All registers but the stack's are lost.
%macro checks 3
%assign MODE %1
%if %2 = 64
%define a rax
%define b rbx
%define c rcx
%else
%define a eax
%define b ebx
%define c ecx
%endif
        step    1                       ; CR0: TS set by MOV, seen by MOV and SMSW, cleared by CLTS
        mov     a, cr0
        mov     esi, eax                ; as it is to be in the end
        or      eax, 8
        mov     cr0, a
        mov     b, cr0
        expect  b, a
        smsw    cx
        expect  cx, ax
        clts
        mov     b, cr0
        and     eax, ~8
        expect  ebx, eax
        step    2                       ; SMSW to memory writes a word, and CR3 is read as itself behind it
        mov     dword [WORD_AT], 0xA5A5A5A5
        smsw    [WORD_AT]
        mov     c, cr3
        expect  ecx, %3
        mov     b, cr0
        expect  word [WORD_AT], bx
        expect  word [WORD_AT + 2], 0xA5A5
        step    3                       ; LMSW sets MP and TS, and does not clear PE
        mov     ax, 0xA
        lmsw    ax
        mov     b, cr0
        mov     edx, esi
        and     edx, ~0xE
        or      edx, 0xA
        expect  ebx, edx
        step    4                       ; from memory it clears them
        mov     word [WORD_AT], 0
        lmsw    [WORD_AT]
        mov     b, cr0
        and     edx, ~0xE
        expect  ebx, edx
        mov     eax, esi
        mov     cr0, a
        step    5
        mov     eax, 0x12345678
        mov     cr2, a
        xor     eax, eax
        mov     b, cr2
        expect  b, 0x12345678
        step    6                       ; CR3: with PCD, by every register, and by a form with mod = 0
        mov     a, cr3
        expect  a, %3
        or      eax, 0x10
        mov     cr3, a
%if %2 = 64
%define other_registers rcx, rbx, rdi, r8, r9, r10, r11, r12, r13, r14, r15
%else
%define other_registers ecx, ebx, edi
%endif
        read_all 3, a, other_registers
        db      0x0F, 0x20, 0x1A        ; MOV rDX, CR3
        expect  edx, %3 | 0x10
        mov     eax, %3
        mov     cr3, a
        step    7                       ; CR4: TSD
        mov     a, cr4
        mov     edx, eax
        or      eax, 4
        mov     cr4, a
        mov     b, cr4
        expect  b, a
        mov     eax, edx
        mov     cr4, a
        mov     b, cr4
        expect  ebx, edx
        step    8                       ; CR8, for which code without REX has LOCK
        mov     eax, 5
%if %2 = 64
        mov     cr8, rax
        mov     rbx, cr8
        mov     r9, cr8
        expect  r9, rax
%endif
        db      0xF0, 0x0F, 0x22, 0xC0  ; LOCK MOV CR0, rAX
        db      0xF0, 0x0F, 0x20, 0xC3  ; LOCK MOV rBX, CR0
        expect  ebx, 5
        xor     eax, eax
        db      0xF0, 0x0F, 0x22, 0xC0
        mov     b, cr0
        expect  ebx, esi
        step    9                       ; the debug registers; DR7 raises #VC
        mov     eax, 0x1111
        mov     dr0, a
        mov     eax, 0x2222
        mov     dr1, a
        mov     eax, 0x3333
        mov     dr2, a
        mov     eax, 0x4444
        mov     dr3, a
        mov     b, dr0
        expect  ebx, 0x1111
        mov     b, dr1
        expect  ebx, 0x2222
        mov     b, dr2
        expect  ebx, 0x3333
        mov     b, dr3
        expect  ebx, 0x4444
        mov     a, dr6
        expect  eax, 0xFFFF0FF0
        mov     eax, 0xFFFF0FF1
        mov     dr6, a
        mov     b, dr6
        expect  ebx, 0xFFFF0FF1
        mov     eax, 0xFFFF0FF0
        mov     dr6, a
        jmp     passed_%1
failed_%1:
        terminate SELFTEST_FAILED
passed_%1:
%endmacro

; read_all NUMBER, WANTED, REGISTER...
%macro read_all 3-*
%assign control %1
%define wanted %2
%rep %0 - 2
        mov     %3, cr%[control]
        expect  %3, wanted
%rotate 1
%endrep
%endmacro

; --- Real mode ---
        bits    16
start:
        cli
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     esp, STACK
        mov     eax, 0x00ABC000
        mov     cr3, eax
        checks  1, 16, 0x00ABC000

        ; Page tables, written while all memory is private.
        a32 mov edi, TABLES
        mov     ecx, (IDT + 0x1000 - TABLES) / 4
        xor     eax, eax
        cld
        a32 rep stosd
        mov     eax, 0xE3               ; 4 MiB pages: present, writable, accessed, dirty
        a32 mov edi, TABLES
map_4_mib:
        a32 mov [edi], eax
        add     edi, 4
        add     eax, 0x400000
        jnc     map_4_mib
        mov     eax, 0xE3               ; 2 MiB pages, without the C-bit and with it
        a32 mov edi, PAE_DIR
        a32 mov ebx, LEVEL_2
map_2_mib:
        a32 mov [edi], eax
        a32 mov [ebx], eax
        a32 mov dword [ebx + 4], C_BIT_HIGH
        add     edi, 8
        add     ebx, 8
        add     eax, 0x200000
        jnc     map_2_mib
        xor     ecx, ecx
point_to:
        mov     eax, ecx
        shl     eax, 12
        a32 lea edx, [eax + PAE_DIR + 1]
        a32 mov [PAE + ecx * 8], edx
        a32 lea edx, [eax + LEVEL_2 + 3]
        a32 mov [LEVEL_3 + ecx * 8], edx
        a32 mov dword [LEVEL_3 + ecx * 8 + 4], C_BIT_HIGH
        inc     ecx
        cmp     cl, 4
        jne     point_to
        mov     dword [dword LEVEL_4], LEVEL_3 + 3
        mov     dword [dword LEVEL_4 + 4], C_BIT_HIGH

; --- 16-bit protected mode ---
        o32 a32 lgdt [cs:gdt_register - IMAGE]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     CODE16:protected_16 - IMAGE
protected_16:
        mov     ax, DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        checks  2, 16, 0x00ABC000
        jmp     dword CODE32:protected_32

; --- 32-bit protected mode ---
        bits    32
protected_32:
        checks  3, 32, 0x00ABC000

        ; Exceptions: the guest's own trap behind SMSW, and none of the monitor's.
        mov     edi, IDT
        mov     edx, on_debug
        mov     ecx, 1
        call    set_gate
        mov     edx, on_page_fault
        mov     ecx, 14
        call    set_gate
        lidt    [idt_register]
%assign MODE 4
        step    1
        mov     dword [TRAPS], 0
        mov     dword [RESUME], trapped
        pushfd
        or      dword [esp], 0x100
        popfd
        smsw    [WORD_AT]
trapped:
        nop
        expect  dword [TRAPS], 1
        jmp     legacy_paging
failed_4:
        terminate SELFTEST_FAILED

; --- Legacy paging ---
legacy_paging:
        mov     eax, TABLES
        mov     cr3, eax
        mov     eax, cr4
        or      al, 0x10                ; PSE
        mov     cr4, eax
        mov     eax, cr0
        or      eax, 0x80000000
        mov     cr0, eax
        checks  5, 32, TABLES
%assign MODE 4
        step    2                       ; a page fault of SMSW's, and of LMSW's
        mov     dword [TABLES + 4], 0
        mov     eax, cr3
        mov     cr3, eax
        mov     dword [RESUME], faulted
        smsw    [0x400123]
faulted:
        expect  dword [TRAPS], 2
        mov     dword [RESUME], faulted_again
        lmsw    [0x400123]
faulted_again:
        expect  dword [TRAPS], 3

; --- PAE ---
        mov     eax, cr0
        and     eax, 0x7FFFFFFF
        mov     cr0, eax
        mov     eax, PAE
        mov     cr3, eax
        mov     eax, cr4
        or      al, 0x20
        mov     cr4, eax
        mov     eax, cr0
        or      eax, 0x80000000
        mov     cr0, eax
        checks  6, 32, PAE

; --- Compatibility mode ---
        mov     eax, cr0
        and     eax, 0x7FFFFFFF
        mov     cr0, eax
        mov     eax, LEVEL_4
        mov     cr3, eax
        mov     ecx, 0xC0000080
        rdmsr
        or      ah, 1                   ; LME
        wrmsr
        mov     eax, cr0
        or      eax, 0x80000000
        mov     cr0, eax
        checks  7, 32, LEVEL_4
        jmp     CODE16:compat_16 - IMAGE

        bits    16
compat_16:
        checks  8, 16, LEVEL_4
        jmp     dword CODE64:long_64

; --- 64-bit mode ---
        bits    64
long_64:
        checks  9, 64, LEVEL_4
%assign MODE 9
        step    10                      ; with the C-bit in it, and with it taken out again, unseen until CLTS
        mov     rax, (C_BIT_HIGH << 32) | LEVEL_4
        mov     cr3, rax
        mov     rbx, cr3
        expect  rbx, rax
        mov     r9, cr0
        expect  r9d, esi
        mov     dword [WORD_AT], 0x600DF00D
        mov     ebx, LEVEL_4
        mov     cr3, rbx
        expect  dword [WORD_AT], 0x600DF00D
        mov     rcx, cr3
        expect  rcx, rbx
        clts
        mov     rcx, cr3
        expect  rcx, rbx
        expect  dword [WORD_AT], 0x600DF00D
        push    CODE32
        push    back                    ; its sign is extended
        mov     dword [rsp + 4], 0
        retfq

; --- And back to real mode ---
        bits    32
back:
        mov     eax, cr0
        and     eax, 0x7FFFFFFF
        mov     cr0, eax
        mov     ecx, 0xC0000080
        rdmsr
        and     ah, ~1
        wrmsr
        mov     eax, 0x00ABC000
        mov     cr3, eax
        jmp     CODE16:leave - IMAGE
        bits    16
leave:
        mov     ax, DATA                ; the limits stay
        mov     ds, ax
        mov     ss, ax
        mov     eax, cr0
        and     al, ~1
        mov     cr0, eax                ; CS.base stays, which is how the CPU comes out of reset
        checks  10, 16, 0x00ABC000
        terminate SELFTEST_PASSED

; --- Exceptions of 32-bit mode ---
        bits    32
set_gate:                               ; EDX, vector ECX, table EDI
        mov     [edi + ecx * 8], dx
        mov     word [edi + ecx * 8 + 2], CODE32
        mov     word [edi + ecx * 8 + 4], 0x8E00
        shr     edx, 16
        mov     [edi + ecx * 8 + 6], dx
        ret

on_debug:                               ; a trap behind SMSW, by the guest's own trap flag
        mov     eax, dr6
        test    ah, 0x40                ; BS
        jz      failed_4
        mov     eax, 0xFFFF0FF0
        mov     dr6, eax
        test    byte [esp + 9], 1       ; TF
        jz      failed_4
        and     dword [esp + 8], ~0x100
        mov     eax, [RESUME]
        cmp     eax, [esp]
        jne     failed_4
        inc     dword [TRAPS]
        iretd

on_page_fault:
        pop     ebx                     ; the error code
        mov     eax, cr2
        cmp     eax, 0x400123
        jne     failed_4
        test    byte [esp + 9], 1       ; not the monitor's TF
        jnz     failed_4
        mov     eax, [RESUME]
        mov     [esp], eax
        inc     dword [TRAPS]
        iretd

        align   8
gdt:    dq      0, 0x00CF9B000000FFFF, 0x00CF93000000FFFF
        dq      0x00009B000000FFFF | ((IMAGE & 0xFFFFFF) << 16) | ((IMAGE >> 24) << 56)
        dq      0x00AF9B000000FFFF
gdt_end:
gdt_register:
        dw      gdt_end - gdt - 1
        dd      gdt
idt_register:
        dw      0xFF
        dd      IDT

        times   0xFFF0 - ($ - $$) db 0xF4
        bits    16
        jmp     start
        times   0x10000 - ($ - $$) db 0xF4
