; SPDX-License-Identifier: BSD-2-Clause-Patent
; A bzImage that is no Linux: the headers and the 64-bit entry of one (Linux
; Documentation/arch/x86/boot.rst), and behind them a program that says what the boot protocol gave
; it. It runs on the stub's #VC handler, which a Linux kernel replaces first of all.
%define SECTOR 512
%define SETUP_SECTORS 3

        bits    64
        org     0
        default rel

; The boot sector and real-mode code. Nobody runs it.
        times   0x1F1 - ($ - $$) db 0
        db      SETUP_SECTORS           ; setup_sects
        dw      0                       ; root_flags
        dd      (kernel_end - kernel) / 16
        dw      0, 0, 0                 ; ram_size, vid_mode, root_dev
        dw      0xAA55                  ; boot_flag
        db      0xEB, header_end - 0x202
        db      "HdrS"
        dw      0x020F                  ; version
        dd      0                       ; realmode_swtch
        dw      0, 0                    ; start_sys_seg, kernel_version
        db      0                       ; type_of_loader
        db      1                       ; loadflags: LOADED_HIGH
        dw      0                       ; setup_move_size
        dd      0x100000                ; code32_start
        dd      0, 0                    ; ramdisk_image, ramdisk_size
        dd      0                       ; bootsect_kludge
        dw      0                       ; heap_end_ptr
        db      0, 0                    ; ext_loader_ver, ext_loader_type
        dd      0                       ; cmd_line_ptr
        dd      0x7FFFFFFF              ; initrd_addr_max
        dd      0x200000                ; kernel_alignment
        db      1, 21                   ; relocatable_kernel, min_alignment
        dw      3                       ; xloadflags: XLF_KERNEL_64, above 4G
        dd      255                     ; cmdline_size
        dd      0                       ; hardware_subarch
        dq      0                       ; hardware_subarch_data
        dd      0, 0                    ; payload_offset, payload_length
        dq      0                       ; setup_data
        dq      0x1000000               ; pref_address
        dd      0x10000                 ; init_size
        dd      0                       ; handover_offset
        dd      0                       ; kernel_info_offset
header_end:
        times   (SETUP_SECTORS + 1) * SECTOR - ($ - $$) db 0

kernel:                                 ; the 32-bit entry point
        hlt
        times   0x200 - ($ - kernel) db 0
        ; The 64-bit entry point.
        mov     eax, cs
        cmp     eax, 0x10
        jne     .wrong
        mov     eax, ds
        cmp     eax, 0x18
        jne     .wrong
        lea     rax, [kernel]           ; where it wants to be, or at a multiple of its alignment
        test    eax, 0x1FFFFF
        jnz     .wrong
        cmp     dword [rsi + 0x202], "HdrS"
        jne     .wrong
        cmp     byte [rsi + 0x210], 0xFF ; type_of_loader
        jne     .wrong

        lea     rdi, [.line]
        call    say
        mov     edi, [rsi + 0x228]      ; cmd_line_ptr
        call    say
        lea     rdi, [.memory]
        call    say
        movzx   ebx, byte [rsi + 0x1E8] ; e820_entries
        lea     rbp, [rsi + 0x2D0]
.entry:
        lea     rdi, [.space]
        call    say
        mov     rdi, [rbp]              ; an entry: address, size, type
        call    say_hex
        lea     rdi, [.plus]
        call    say
        mov     rdi, [rbp + 8]
        call    say_hex
        lea     rdi, [.colon]
        call    say
        mov     edi, [rbp + 16]
        call    say_hex
        add     rbp, 20
        dec     ebx
        jnz     .entry
        lea     rdi, [.initrd]
        call    say
        mov     edi, [rsi + 0x218]      ; ramdisk_image: the first word of it
        mov     rdi, [rdi]
        call    say_hex
        lea     rdi, [.plus]
        call    say
        mov     edi, [rsi + 0x21C]      ; ramdisk_size
        call    say_hex
        lea     rdi, [.done]
        call    say
        xor     eax, eax
        out     0xF4, al
        hlt
.wrong:
        lea     rdi, [.refusal]
        call    say
        mov     al, 1
        out     0xF4, al
        hlt

.line:    db    "kernel: command line [", 0
.memory:  db    "]", 10, "kernel: memory", 0
.initrd:  db    10, "kernel: initrd ", 0
.done:    db    10, "kernel: done", 10, 0
.refusal: db    "kernel: NOT as the boot protocol says", 10, 0
.space:   db    " ", 0
.plus:    db    "+", 0
.colon:   db    ":", 0

; The text at RDI.
say:
        mov     dx, 0x3F8
.next:
        mov     al, [rdi]
        test    al, al
        jz      .end
        out     dx, al
        inc     rdi
        jmp     .next
.end:
        ret

; The number in RDI.
say_hex:
        mov     dx, 0x3F8
        mov     ecx, 60
.skip:                                  ; leading zeros
        mov     rax, rdi
        shr     rax, cl
        jnz     .digit
        sub     ecx, 4
        jnz     .skip
.digit:
        mov     rax, rdi
        shr     rax, cl
        and     eax, 0xF
        cmp     al, 10
        jb      .out
        add     al, 'a' - '0' - 10
.out:
        add     al, '0'
        out     dx, al
        sub     ecx, 4
        jns     .digit
        ret

        align   16, db 0
kernel_end:
