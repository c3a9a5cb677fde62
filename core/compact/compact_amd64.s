#include "textflag.h"

// Eight bytes at OFFSET of the source: the low byte of R8 says which are kept,
// and R10 counts those of the block.
#define MOVE8(OFFSET) \
	MOVBLZX R8, CX           \
	SHRQ    $8, R8           \
	VMOVQ   (BX)(CX*8), X6   \
	VMOVQ   OFFSET(SI), X7   \
	VPSHUFB X6, X7, X7       \
	VPOR    X10, X7, X7      \
	VMOVQ   X7, (DI)(R10*1)  \
	POPCNTL CX, CX           \
	ADDQ    CX, R10

// func copyBlocks(dst, src *byte, starts *int32, blocks int, set *rows, moves *[256][8]byte) (done, n int)
TEXT ·copyBlocks(SB), NOSPLIT, $0-64
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ starts+16(FP), R11
	MOVQ blocks+24(FP), R12
	MOVQ set+32(FP), AX
	MOVQ moves+40(FP), BX
	MOVQ DI, R13 // the start of dst
	XORQ DX, DX  // blocks that are done

	VBROADCASTI128 0(AX), Y0
	VBROADCASTI128 16(AX), Y1
	VBROADCASTI128 32(AX), Y2
	VBROADCASTI128 48(AX), Y10
	VPXOR          Y3, Y3, Y3

block:
	// 1. Both halves of each byte look up their rows. A byte of 0x80 and above
	//    gets none by its low half.
	VMOVDQU 0(SI), Y4
	VMOVDQU 32(SI), Y5
	VPSRLW  $4, Y4, Y8
	VPSRLW  $4, Y5, Y9
	VPAND   Y2, Y8, Y8
	VPAND   Y2, Y9, Y9
	VPSHUFB Y4, Y0, Y6
	VPSHUFB Y5, Y0, Y7
	VPSHUFB Y8, Y1, Y8
	VPSHUFB Y9, Y1, Y9
	VPAND   Y6, Y8, Y8
	VPAND   Y7, Y9, Y9

	// 2. A byte without a row in common is of the kind of those from 0x80 on: a
	//    bit in R8 for each that is kept.
	VPCMPEQB  Y3, Y8, Y8
	VPCMPEQB  Y3, Y9, Y9
	VPMOVMSKB Y8, R8
	VPMOVMSKB Y9, R9
	SHLQ      $32, R9
	ORQ       R9, R8
	XORQ      64(AX), R8

	// 3. Where the block's bytes go, and how many they are.
	MOVQ    DI, CX
	SUBQ    R13, CX
	MOVL    CX, (R11)(DX*4)
	INCQ    DX
	POPCNTQ R8, R9
	CMPQ    R8, $-1
	JEQ     all
	TESTQ   R8, R8
	JEQ     done

	// 4. Eight times eight bytes.
	XORQ R10, R10
	MOVE8(0)
	MOVE8(8)
	MOVE8(16)
	MOVE8(24)
	MOVE8(32)
	MOVE8(40)
	MOVE8(48)
	MOVE8(56)
next:
	ADDQ R9, DI
	ADDQ $64, SI
	CMPQ DX, R12
	JLT  block
done:
	VZEROUPPER
	SUBQ R13, DI
	MOVQ DX, done+48(FP)
	MOVQ DI, n+56(FP)
	RET

all:
	VPOR    Y10, Y4, Y4
	VPOR    Y10, Y5, Y5
	VMOVDQU Y4, 0(DI)
	VMOVDQU Y5, 32(DI)
	JMP     next
