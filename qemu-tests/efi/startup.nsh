echo the script runs
fs0:hello.efi
