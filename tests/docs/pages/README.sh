# SPDX-License-Identifier: BSD-2-Clause-Patent
# README.md, with the programs where they are installed.
leave './run' 'it is what a build is tested by'
leave './test*' 'it is what runs this'
leave 'cmake *' 'install.prefix does it'
word build/release/igvm/ 'printf ""'
word build/release/sevsim/ 'printf ""'
word build/release/launcher/ 'printf ""'
outcome 1 '*--hostile cbit-no-effect'
