"""How hard each condition of Speech Robust Bench is, measured on its audio: a frozen table, for NWERD only.

Source: the benchmark's own published measurements on LibriSpeech test-clean (github.com/ahmedshah1494/speech_robust_bench,
`results/speechmetrics.csv`): mean DNSMOS and mean PESQ under each perturbation and severity, here to four digits. Its notebook
(`result_analysis_utility.ipynb`) turns each into a score of mean 50 and standard deviation 25 over all its scenarios, higher is harder
(PESQ's shifted by 12.5), and averages the two. The two lines below are that normalisation, recovered from its printed values.

The audio measured was theirs: our conditions of the same names differ as docs/SRB_MAPPING.md says, and so does speech of another corpus.
"""

_DNSMOS_LINE = (251.2287, -62.7864)
_PESQ_LINE = (110.8024, -23.4595)

_MEASURED = """
gnoise      2.6265 2.4497 2.2968 2.0892  2.8566 1.7188 1.1535 1.0431
music       3.6601 3.3990 3.0566 2.8223  3.7285 2.6195 1.6590 1.2058
crosstalk   3.7000 3.5622 3.4687 3.3942  3.6534 2.6199 1.6744 1.2315
echo        3.4725 3.5191 3.5450 3.5846  1.5110 1.4633 1.5389 1.7164
speedup     3.7281 3.4735 3.2072 2.9990  1.1721 1.2061 1.2587 1.2691
slowdown    3.8362 3.6345 3.3629 2.9458  1.0702 1.0544 1.0521 1.0459
tempo_up    3.6722 3.4870 3.2916 3.0918  1.4099 1.2939 1.3057 1.3016
tempo_down  3.8134 3.7743 3.7162 3.5979  1.2557 1.1093 1.0798 1.0662
pitch_up    3.5595 3.4811 3.3816 3.3697  1.0716 1.0478 1.0421 1.0443
pitch_down  3.4791 3.2096 2.9376 2.6791  1.0738 1.0450 1.0373 1.0338
resample    3.7141 3.3430 3.0462 2.7626  4.4107 3.6928 2.7611 2.2623
gain        3.4541 3.1115 2.9415 2.8375  2.1252 1.4938 1.3170 1.2401
lowpass     3.2960 3.3067 3.0139 2.3782  3.7100 3.2173 2.6920 2.0985
highpass    3.5587 3.4350 3.0635 2.8143  2.7827 1.8517 1.6753 1.5578
phaser      3.7527 3.5405 3.1540 2.8140  4.2859 3.3834 2.0302 1.1711
tremolo     3.7207 3.4934 2.9272 2.2517  4.2903 3.9447 3.1268 1.4937
treble      3.7850 3.6217 3.3797 3.0847  4.6153 4.0546 2.6615 1.5155
bass        3.7727 3.6782 3.5013 3.2119  4.1336 4.0125 3.3368 2.3692
chorus      3.6233 3.4478 3.3237 3.3150  1.9409 1.5963 1.4506 1.3780
"""
"""Perturbation; DNSMOS at severities 1 to 4; PESQ at severities 1 to 4."""


def difficulties() -> dict[str, float]:
    """Return condition of suite `srb` -> difficulty, from about 8 (easy) to 103 (hard).

    >>> {name: round(x, 1) for name, x in difficulties().items() if name.startswith("gnoise")}
    {'gnoise-1': 65.1, 'gnoise-2': 84.0, 'gnoise-3': 95.4, 'gnoise-4': 103.2}
    """
    table: dict[str, float] = {}
    for line in _MEASURED.split("\n"):
        name, *values = line.split() or [""]
        numbers = [float(value) for value in values]
        for severity, (dnsmos, pesq) in enumerate(zip(numbers[:4], numbers[4:], strict=True), start=1):
            scores = [intercept + slope * x for (intercept, slope), x in ((_DNSMOS_LINE, dnsmos), (_PESQ_LINE, pesq))]
            table[f"{name}-{severity}"] = sum(scores) / 2
    return table
